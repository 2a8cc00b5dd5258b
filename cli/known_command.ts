/**
 * A command line that is a known command with valid options, as nearly all are: only that command is loaded, since loading all
 * of them takes longer than most commands do.
 */
import { parseSync } from "@optique/core/parser";
import { asWord, type Command, type Invocation } from "./command.ts";
import { apart, ownWords } from "./typed_words.ts";

/** The commands of one word, and `intercept` without a word of its own behind it; grammar.ts has all. */
export const commandModules: Readonly<Record<string, () => Promise<Command>>> = {
  up: async () => (await import("./commands/up.ts")).up,
  down: async () => (await import("./commands/down.ts")).down,
  status: async () => (await import("./commands/status.ts")).status,
  services: async () => (await import("./commands/services.ts")).services,
  flows: async () => (await import("./commands/flows.ts")).flows,
  explain: async () => (await import("./commands/explain.ts")).explain,
  ui: async () => (await import("./commands/ui.ts")).ui,
  intercept: async () => (await import("./commands/intercept.ts")).intercept,
  leave: async () => (await import("./commands/leave.ts")).leave,
  run: async () => (await import("./commands/run.ts")).run,
  env: async () => (await import("./commands/env.ts")).env,
  doctor: async () => (await import("./commands/doctor.ts")).doctor,
  logs: async () => (await import("./commands/logs.ts")).logs,
  report: async () => (await import("./commands/report.ts")).report,
  install: async () => (await import("./commands/install.ts")).install,
  uninstall: async () => (await import("./commands/uninstall.ts")).uninstall,
  upgrade: async () => (await import("./commands/upgrade.ts")).upgrade,
  version: async () => (await import("./commands/version.ts")).version,
};

/** @returns undefined where the whole grammar has to say what it means: help, mistakes, commands of several words */
export async function knownCommand(typed: readonly string[]): Promise<Invocation | undefined> {
  const [word = ""] = typed;
  const load = Object.hasOwn(commandModules, word) ? commandModules[word] : undefined;
  if (!load) return undefined;
  const command = await load();
  const { own, program } = ownWords(typed, command.takesProgram);
  const parsed = parseSync(asWord(command), own.flatMap(apart));
  if (!parsed.success) return undefined;
  return program ? { ...parsed.value, program } : parsed.value;
}
