/** A command of pmz that does what a word of another tool does there. */
interface OtherWord {
  readonly says: string;
  readonly type: string;
}

/** Words of Telepresence, mirrord and kubectl that people type, alone or behind a word of pmz's, and what pmz has for them. */
export const otherWords: ReadonlyMap<string, OtherWord> = new Map([
  ["quit", { says: "expected down", type: "pmz down" }],
  ["list", { says: "expected services, or intercept list", type: "pmz services" }],
  ["logs", {
    says: "the daemon has a log, and flows says why connections failed",
    type: "pmz flows --failed",
  }],
  ["helm", { says: "expected agent", type: "pmz agent deploy" }],
  ["agent install", { says: "expected deploy", type: "pmz agent deploy" }],
  ["agent uninstall", { says: "expected delete", type: "pmz agent delete" }],
  ["agent upgrade", { says: "expected deploy", type: "pmz agent deploy" }],
  ["exec", { says: "expected run", type: "pmz run SERVICE -- COMMAND" }],
  ["port-forward", { says: "every Service answers by its name after up", type: "pmz up" }],
  ["get", { says: "expected services", type: "pmz services" }],
]);
