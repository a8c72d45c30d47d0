import { stripVTControlCharacters } from 'node:util';

/**
 * What a program meant for a terminal, as a log can keep it: without colours, with what a progress bar has overwritten left out,
 * and without control characters.
 */
export function plainText(text: string): string {
  const overwritten = /[^\n\r]*\r+(?=[^\n\r])/g;
  // oxlint-disable-next-line no-control-regex -- They are what is looked for; line breaks and tabs stay.
  return stripVTControlCharacters(text).replaceAll(overwritten, '').replaceAll(/[\u0000-\u0008\u000b-\u001f\u007f]/g, '');
}
