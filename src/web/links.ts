/** Where things are, for hrefs: all begin with the base path. */
export interface Links {
  home: string;
  live: string;
  plots: string;
  history: string;
  board: string;
  health: string;
  /** A task's queue on the board. */
  queue(task: string): string;
  /** A subject's entry in a task, on the board. */
  entry(task: string, subject: string): string;
  product(file: string): string;
  asset(name: string): string;
  export(format: 'csv' | 'json'): string;
  /** Undefined where no task is for requests. */
  requests: RequestLinks | undefined;
  /** The list of jobs, or of some; `before`: enqueued before this instant (ISO 8601). */
  jobs(of: { name?: string | undefined; state?: string | undefined; before?: string | undefined }): string;
  job(id: string): string;
  /** The list of runs of scripts, or of some; `before`: started before this instant (ISO 8601). */
  runs(of: { name?: string | undefined; before?: string | undefined }): string;
  /** One run, by what the register calls it. */
  run(subject: string): string;
}

/** Where requests are. */
export interface RequestLinks {
  open: string;
  done: string;
  costs: string;
  /** The form for a new one. */
  intake: string;
  one(request: string): string;
  /** What a form of a request's page does. */
  act(request: string, act: string): string;
  /** The same for one task of it. */
  taskAct(request: string, task: string, act: string): string;
  /** A file that was made for a request. */
  file(request: string, file: string): string;
  apiRequest(request: string): string;
  apiTask(request: string, task: string): string;
}

/**
 * What a name is called in addresses of the board: its pages decode them once too often, and a per cent sign would stop them.
 * A full-width one takes its place; {@link fromBoard} puts it back.
 */
export const toBoard = (name: string): string => name.replaceAll('%', '％');

/** The names that {@link toBoard} may have been given, the likelier first. */
export const fromBoard = (name: string): readonly string[] => (name.includes('％') ? [name.replaceAll('％', '%'), name] : [name]);

/** @param basePath empty, or a path that begins with a slash and does not end with one */
export function linksOf(basePath: string, { requests = false }: { requests?: boolean } = {}): Links {
  return {
    requests: requests ? requestLinks(basePath) : undefined,
    home: `${basePath}/`,
    live: `${basePath}/live`,
    plots: `${basePath}/plots`,
    history: `${basePath}/history`,
    board: `${basePath}/board/`,
    health: `${basePath}/healthz`,
    queue: (task) => `${basePath}/board/queue/${encodeURIComponent(toBoard(task))}`,
    entry: (task, subject) => `${basePath}/board/queue/${encodeURIComponent(toBoard(task))}/${encodeURIComponent(toBoard(subject))}`,
    product: (file) => `${basePath}/products/${encodeURIComponent(file)}`,
    asset: (name) => `${basePath}/assets/${name}`,
    export: (format) => `${basePath}/export.${format}`,
    jobs: (of) => `${basePath}/jobs${queryOf(of)}`,
    job: (id) => `${basePath}/jobs/${encodeURIComponent(id)}`,
    runs: (of) => `${basePath}/runs${queryOf(of)}`,
    run: (subject) => `${basePath}/runs/${encodeURIComponent(subject)}`,
  };
}

function queryOf(of: Readonly<Record<string, string | undefined>>): string {
  const query = new URLSearchParams(Object.entries(of).filter((pair): pair is [string, string] => pair[1] !== undefined));
  return query.size === 0 ? '' : `?${query.toString()}`;
}

function requestLinks(basePath: string): RequestLinks {
  const one = (request: string) => `${basePath}/requests/${encodeURIComponent(request)}`;
  const apiRequest = (request: string) => `${basePath}/api/v1/requests/${encodeURIComponent(request)}`;
  return {
    open: `${basePath}/requests`, done: `${basePath}/requests/done`, costs: `${basePath}/requests/costs`, intake: `${basePath}/requests/new`, one,
    act: (request, act) => `${one(request)}/${act}`,
    taskAct: (request, task, act) => `${one(request)}/tasks/${encodeURIComponent(task)}/${act}`,
    file: (request, file) => `${one(request)}/files/${encodeURIComponent(file)}`,
    apiRequest,
    apiTask: (request, task) => `${apiRequest(request)}/tasks/${encodeURIComponent(task)}`,
  };
}
