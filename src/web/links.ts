/** Where things are, for hrefs: all begin with the base path. */
export interface Links {
  home: string;
  live: string;
  plots: string;
  board: string;
  health: string;
  /** A task's queue on the board. */
  queue(task: string): string;
  product(file: string): string;
  asset(name: string): string;
  export(format: 'csv' | 'json'): string;
}

/**
 * What a name is called in addresses of the board: its pages decode them once too often, and a per cent sign would stop them.
 * A full-width one takes its place; {@link fromBoard} puts it back.
 */
export const toBoard = (name: string): string => name.replaceAll('%', '％');

/** The names that {@link toBoard} may have been given, the likelier first. */
export const fromBoard = (name: string): readonly string[] => (name.includes('％') ? [name.replaceAll('％', '%'), name] : [name]);

/** @param basePath empty, or a path that begins with a slash and does not end with one */
export function linksOf(basePath: string): Links {
  return {
    home: `${basePath}/`,
    live: `${basePath}/live`,
    plots: `${basePath}/plots`,
    board: `${basePath}/board/`,
    health: `${basePath}/healthz`,
    queue: (task) => `${basePath}/board/queue/${encodeURIComponent(toBoard(task))}`,
    product: (file) => `${basePath}/products/${encodeURIComponent(file)}`,
    asset: (name) => `${basePath}/assets/${name}`,
    export: (format) => `${basePath}/export.${format}`,
  };
}
