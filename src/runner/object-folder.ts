import path from 'node:path';

/**
 * The folder for the files of one object, below the folder for products: `<products>/<kind>/<name>`. Files in it are archived, restored
 * and deleted together with the object; a runner makes it before it writes (`mkdir` with `recursive`). In names, everything but letters,
 * digits and `.`, `-`, `_` inside is written as `%` and its bytes, so that no name leads elsewhere.
 */
export function objectFolder(productsFolder: string, { kind = 'transient', name }: { kind?: string; name: string }): string {
  return path.join(productsFolder, safe(kind), safe(name));
}

// A dot at the beginning would be a hidden folder, or the one above.
const safe = (text: string): string => encodeURIComponent(text.toWellFormed()).replaceAll(/[!'()*~]|^\.|\.$/g, (mark) => `%${mark.charCodeAt(0).toString(16).toUpperCase()}`);
