/** Something that was seen, in a sentence; what isn't right comes with what to do about it. */
export type Finding =
  | { readonly level: "ok" | "skipped"; readonly saw: string }
  /** `warning`: it works, but not everything does; `failed`: it can't work. */
  | { readonly level: "warning" | "failed"; readonly saw: string; readonly remedy: string };

export type FindingLevel = Finding["level"];
