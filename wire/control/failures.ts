/** The kinds of failure, each with its exit code and HTTP status. docs/exit-codes.md is made of this table. */
export const failures = {
  internal: { exit: 1, status: 500, means: "an unexpected error: the daemon's log has more" },
  unsound: {
    exit: 1,
    status: 500,
    means: "`pmz doctor` or `pmz explain` has found what keeps something from working",
  },
  usage: { exit: 2, status: 400, means: "the command line or the request is not valid" },
  "not-up": { exit: 3, status: 409, means: "needs a connection: run `pmz up` first" },
  unreachable: { exit: 4, status: 502, means: "the cluster's API server can't be reached" },
  credentials: {
    exit: 5,
    status: 401,
    means: "the cluster refuses these credentials, or the kubeconfig can't be used",
  },
  forbidden: { exit: 6, status: 403, means: "the cluster doesn't allow this to the user" },
  "not-found": {
    exit: 7,
    status: 404,
    means: "there is no such context, Service, port, domain or intercept",
  },
  conflict: { exit: 8, status: 409, means: "another user or program uses it already" },
  agent: {
    exit: 9,
    status: 502,
    means: "an agent in the cluster is missing, or doesn't start; a Service that doesn't answer is a warning",
  },
  helper: {
    exit: 10,
    status: 502,
    means: "the root helper is missing, or can't work on this machine",
  },
  timeout: { exit: 11, status: 504, means: "it took too long" },
  declined: {
    exit: 12,
    status: 400,
    means: "a question was answered with no, or there was no terminal to ask on",
  },
  interrupted: { exit: 130, status: 499, means: "Ctrl-C" },
} as const satisfies Record<string, { exit: number; status: number; means: string }>;

export type FailureCode = keyof typeof failures;

export interface ControlError {
  readonly code: FailureCode;
  /** What was tried, and what happened; one line. */
  readonly message: string;
  /** What to do next, where that is known. */
  readonly hint?: string;
  /** What caused it, outermost first: for --verbose. */
  readonly causes?: readonly string[];
}
