const HIDDEN = '[redacted]';
/** A shorter value stands for itself in too many places. */
const SHORTEST = 6;

/** Variables of the environment that hold what nobody else should read. */
const SECRET_NAME = /SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|API_?KEY|PRIVATE_?KEY|WEBHOOK/i;

/** What the environment keeps secret: variables that are named so, and the passwords in addresses. */
export function secretsOf(env: NodeJS.ProcessEnv): string[] {
  const found = Object.entries(env).flatMap(([name, value = '']) => [
    ...(SECRET_NAME.test(name) ? [value] : []),
    ...[...value.matchAll(/\/\/[^:/@\s]*:([^@/\s]+)@/g)].flatMap(([, password = '']) => [password, decoded(password)]),
  ]);
  return [...new Set(found)].filter((secret) => secret.length >= SHORTEST).toSorted((one, other) => other.length - one.length);
}

/**
 * A text for people elsewhere, in which `[redacted]` stands for what looks like a secret: the given ones, passwords in addresses, what
 * stands behind words such as `password=` or `Authorization:`, and keys of well known services.
 */
export function redact(text: string, secrets: readonly string[]): string {
  let clean = text;
  for (const secret of secrets) clean = clean.replaceAll(secret, HIDDEN);
  return clean
    .replaceAll(/(\/\/[^:/@\s]*):[^@/\s]+@/g, `$1:${HIDDEN}@`)
    .replaceAll(/\b(bearer|basic)\s+[\w+/.=~-]{6,}/gi, `$1 ${HIDDEN}`)
    .replaceAll(/((?:pass(?:word|wd|phrase)?|secret|token|api[_-]?key|authorization|cookie|credentials?)"?\s*[=:]\s*"?)(?!\[redacted\]|bearer |basic )[^\s"',;&)}]+/gi, `$1${HIDDEN}`)
    .replaceAll(/\b(?:sk|pk|ghp|gho|xox[abpr]|AKIA)[-_]?[\w-]{12,}/g, HIDDEN);
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
