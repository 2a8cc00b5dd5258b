/**
 * The control API: HTTP/1.1 on a unix socket in the user's own state folder (0700, socket 0600). Everything that the
 * command line does goes through it. `control/calls.ts` has the table of its calls.
 */

export * from "./control/answers.ts";
export * from "./control/calls.ts";
export * from "./control/failures.ts";
export * from "./control/progress_lines.ts";
export * from "./control/requests.ts";

/** Bytes of a request's body. */
export const LONGEST_CONTROL_REQUEST = 4 * 1024 * 1024;
/** The daemon's files, in its state folder. */
export const controlFiles = {
  socket: "control.sock",
  log: "daemon.log",
  lock: "daemon.lock",
  names: "names.json",
  allowed: "allowed.json",
  ranges: "ranges.json",
} as const;
