/** A measurement is void: work was lost, done twice or left over. */
export class DeliveryError extends Error {
  override readonly name = 'DeliveryError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`This run is void: ${problems.join('; ')}.`);
    this.problems = problems;
  }
}
