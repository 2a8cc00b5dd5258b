import { object } from "@optique/core/constructs";
import { message, text } from "@optique/core/message";
import { multiple } from "@optique/core/modifiers";
import { argument } from "@optique/core/primitives";
import { findSimilar } from "@optique/core/suggestion";
import { choice } from "@optique/core/valueparser";
import { checkIds, type CheckResult, type FindingLevel, type OnChecked } from "../../wire/doctor.ts";
import { context, inNamespace, kubeconfig } from "../cluster_options.ts";
import { define } from "../command.ts";
import { daemonView } from "../daemon_view.ts";
import { failure } from "../failure.ts";
import { findSudo } from "../sudo.ts";
import type { Cli } from "../session.ts";
import { Steps } from "../steps.ts";

const check = choice(checkIds, {
  metavar: "CHECK",
  errors: {
    invalidChoice: (input) => {
      const [meant] = findSimilar(input, checkIds, { maxSuggestions: 1 });
      const suggestion = meant === undefined ? "" : `did you mean "${meant}"? `;
      return message`${input} is not a valid check: ${text(suggestion)}expected ${text(checkIds.join(", "))}`;
    },
  },
});

export const doctor = define({
  words: "doctor",
  usage: "[CHECK...]",
  brief: "Check this machine and the cluster",
  description:
    "Checks this machine, the cluster and what connects them, and says what to do about what isn't right. " +
    "Changes nothing, and needs neither root nor `pmz up`. Exit code 1 when a check failed.",
  examples: [
    ["pmz doctor", "everything"],
    ["pmz doctor kernel name-service", "some checks"],
    ["pmz doctor --context staging", "another cluster than the current one"],
    ["pmz doctor -o json", "for scripts"],
  ],
  options: object({
    checks: multiple(
      argument(check, { description: message`By default all: ${text(checkIds.join(", "))}.` }),
    ),
    context,
    kubeconfig,
    namespace: inNamespace,
  }),
  data: true,
  async run(cli, options) {
    const { parts, terminal, signal } = cli;
    using progress = new CheckProgress(cli);
    const results = await parts.doctor(
      {
        only: options.checks,
        ...await cli.choice(options),
        release: parts.release,
        stateFolder: parts.stateFolder,
        env: parts.env,
        sudo: () => findSudo(cli),
        daemon: () => daemonView(cli),
      },
      progress.show,
      signal,
    );
    progress[Symbol.dispose]();
    const failed = results.filter(({ outcome }) => outcome === "failed");
    terminal.json("CheckList", { ok: failed.length === 0, items: results });
    for (const result of results) printResult(cli, result);
    if (failed.length === 0) return;
    const checks = failed.length === 1 ? "1 check" : `${failed.length} checks`;
    throw failure("unsound", `${checks} failed: ${failed.map(({ id }) => id).join(", ")}`);
  },
});

/** One line that says which checks run; only where a line can be drawn again. */
class CheckProgress implements Disposable {
  readonly #steps: Steps;
  readonly #isShown: boolean;

  constructor({ terminal }: Cli) {
    this.#steps = new Steps(terminal);
    this.#isShown = terminal.canRedraw;
    if (this.#isShown) this.#steps.show({ kind: "step", name: "Checks", state: "started" });
  }

  readonly show: OnChecked = ({ done, all, running }) => {
    if (!this.#isShown) return;
    const detail = `${done} of ${all}: ${running.join(", ")}`;
    this.#steps.show({ kind: "detail", name: "Checks", detail });
  };

  [Symbol.dispose](): void {
    this.#steps[Symbol.dispose]();
  }
}

const styles = { ok: "green", warning: "yellow", failed: "red", skipped: "dim" } as const satisfies Record<
  FindingLevel,
  string
>;
/** Columns of the longest level. */
const WIDTH = 7;

/** A line with the check's outcome, and what it saw: behind its title where that is one thing, else below. */
function printResult({ terminal }: Cli, { id, title, outcome, findings }: CheckResult): void {
  const level = { text: outcome.padEnd(WIDTH), style: styles[outcome] };
  const indent = " ".repeat(WIDTH + 2);
  const [only, ...more] = findings;
  const isOneFact = only !== undefined && more.length === 0 && !("remedy" in only);
  terminal.print(level, `  ${title}`, { text: ` (${id})`, style: "dim" }, isOneFact ? `: ${only.saw}` : "");
  if (isOneFact) return;
  for (const finding of findings) {
    terminal.print(indent, finding.saw);
    if ("remedy" in finding) {
      terminal.print(indent, { text: "  hint:", style: "dim" }, ` ${finding.remedy}`);
    }
  }
}
