import { object } from "@optique/core/constructs";
import { message } from "@optique/core/message";
import { withDefault } from "@optique/core/modifiers";
import { flag } from "@optique/core/primitives";
import type { Installation } from "../../wire/setup.ts";
import { define } from "../command.ts";
import { pathHint } from "../path_hint.ts";
import type { Cli } from "../session.ts";
import { againAsRoot, scopeOption } from "../setup_scope.ts";
import { isRoot } from "../sudo.ts";

export const install = define({
  words: "install",
  brief: "Install pmz on this machine",
  description:
    "Copies the file that it was started from to ~/.local/bin/pmz, or with --system (root's default) to /usr/local/bin/pmz, which " +
    "is root's: it asks for sudo then. With it come the completions for bash, zsh and fish, the manual page, and a link by which " +
    "kubectl pmz works. It can be repeated, and replaces what an earlier installation made; another file in the way stays. A list " +
    "of what was made is kept for pmz uninstall. The agents in a cluster are pmz agent deploy's.",
  examples: [
    ["pmz install", "for you alone, without root"],
    ["pmz install --system", "for everybody on this machine"],
  ],
  options: object({
    scope: scopeOption,
    force: withDefault(
      flag("--force", { description: message`Replace files that pmz install didn't make.` }),
      false,
    ),
  }),
  data: false,
  interrupted: { message: "interrupted: pmz may be half installed", hint: "run it again: pmz install" },
  async run(cli, { scope = isRoot(cli) ? "system" : "user", force }) {
    const { parts } = cli;
    const setup = await parts.setup();
    if (scope === "system" && !isRoot(cli)) {
      cli.terminal.note("sudo installs pmz in /usr/local, for everybody on this machine");
      const args = ["install", "--system", ...(force ? ["--force"] : [])];
      cli.exitCode = await againAsRoot(cli, args, "pmz wasn't installed");
      if (cli.exitCode === 0) sayHints(cli, setup.program(scope));
      return;
    }
    const installation = await setup.install({ scope, release: parts.release, force });
    sayInstalled(cli, installation);
    // Root by sudo has another PATH than the shell that it was typed in.
    if (scope === "user") sayHints(cli, installation.program, installation);
  },
});

function sayInstalled({ terminal, parts }: Cli, { files, replaced }: Installation): void {
  terminal.table(files.map(({ path, outcome }) => [path, outcome]));
  if (replaced?.age === "newer") {
    terminal.warn(`it was pmz ${replaced.release} before, which is newer than this ${parts.release}`);
  } else if (replaced) terminal.note(beforeOf(replaced));
  const isNew = files.some(({ outcome }) => outcome !== "unchanged");
  terminal.print({
    text: `pmz ${parts.release} is installed${isNew ? "" : " already, nothing changed"}`,
    style: "green",
  });
}

function beforeOf({ age, release }: NonNullable<Installation["replaced"]>): string {
  if (age === "same") return `it was another build of pmz ${release} before`;
  return release === undefined ? "it was a file of unknown release before" : `it was pmz ${release} before`;
}

/** What a shell has to be told so that it finds the program and its completions. */
function sayHints({ terminal, parts }: Cli, program: string, installation?: Installation): void {
  const hint = pathHint(program, parts.env);
  if (hint) terminal.warn(hint.message, hint.hint);
  const zsh = installation?.files.find(({ path, outcome }) =>
    path.endsWith("/_pmz") && outcome === "written"
  );
  if (zsh && parts.env.get("SHELL")?.endsWith("/zsh")) {
    const folder = zsh.path.slice(0, zsh.path.lastIndexOf("/"));
    terminal.note(`zsh completes pmz with this line in ~/.zshrc, before compinit: fpath=(${folder} $fpath)`);
  }
}
