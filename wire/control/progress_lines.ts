import type { ControlError } from "./failures.ts";

/** One line of long work. */
export type Progress<Result> =
  | { readonly kind: "step"; readonly name: string; readonly state: "started" }
  | {
    readonly kind: "step";
    readonly name: string;
    readonly state: "done";
    readonly ms: number;
    readonly detail?: string;
  }
  /** More about the step that runs: "1 of 2 pods ready". */
  | { readonly kind: "detail"; readonly name: string; readonly detail: string }
  /** A message that is not a failure. */
  | { readonly kind: "warning"; readonly message: string; readonly hint?: string }
  | { readonly kind: "result"; readonly result: Result }
  | { readonly kind: "error"; readonly error: ControlError };
