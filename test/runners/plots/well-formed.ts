/**
 * The text of every element of an XML document by its path, e.g. `svg/g/title`, in the order of the document.
 *
 * @throws {Error} the text is not one well-formed element: what does not fit, and where
 */
export function readXml(xml: string): { path: string; text: string }[] {
  const open: { path: string; text: string }[] = [];
  const found: { path: string; text: string }[] = [];
  let at = 0;
  for (const tag of xml.matchAll(TAG)) {
    readText(xml.slice(at, tag.index), open, at);
    at = tag.index + tag[0].length;
    const [, closing, name, attributes, empty] = tag as unknown as [string, string, string, string, string];
    if (closing === '/') {
      if (open.pop()?.path.split('/').at(-1) !== name) throw new Error(`</${name}> at ${tag.index} closes nothing`);
      continue;
    }
    const names = [...attributes.matchAll(/([\w:-]+)="/g)].map((attribute) => attribute[1]);
    if (new Set(names).size !== names.length) throw new Error(`<${name}> at ${tag.index} has an attribute twice`);
    if (open.length === 0 && found.length > 0) throw new Error(`A second root at ${tag.index}`);
    const element = { path: [...open.slice(-1).map((outer) => outer.path), name].join('/'), text: '' };
    found.push(element);
    if (empty !== '/') open.push(element);
  }
  readText(xml.slice(at), open, at);
  if (open.length > 0) throw new Error(`<${open.at(-1)!.path}> is never closed`);
  return found;
}

const TAG = /<(\/?)([a-zA-Z][\w:-]*)((?:\s+[\w:-]+="(?:[^"<&]|&(?:amp|lt|gt|quot|#39);)*")*)\s*(\/?)>/g;

function readText(text: string, open: readonly { text: string }[], at: number): void {
  const bad = /[<>]|&(?!(?:amp|lt|gt|quot|#39);)|[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/.exec(text); // oxlint-disable-line no-control-regex
  if (bad !== null || !text.isWellFormed()) throw new Error(`Not text at ${at + (bad?.index ?? 0)}: ${text.slice(0, 60)}`);
  const inner = open.at(-1);
  if (inner === undefined && text.trim() !== '') throw new Error(`Text outside the root at ${at}`);
  if (inner !== undefined) inner.text += text;
}
