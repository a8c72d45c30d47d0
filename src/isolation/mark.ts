/** The name of the variable that marks a process and all that it starts. */
export const MARK = 'AFTERGLOW_PROCESS';
