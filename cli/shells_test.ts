/** Completion as people have it: keys that are typed into the shells themselves. */
import assert from "node:assert/strict";
import { setupTexts } from "./setup_texts.ts";
import { World } from "./testing/run.ts";

const MARK = "DONE";
const script = new URL("./testing/shell.py", import.meta.url).pathname;
const program = new URL("./testing/program.ts", import.meta.url).pathname;

interface Shell {
  readonly command: (folder: string) => readonly string[];
  readonly file: string;
  readonly start: string;
  /** Completion files in the folder, each for a shell. */
  readonly texts?: Readonly<Record<string, "zsh" | "fish">>;
}

/** How each shell is started with a folder's files, and what its start file has. */
const shells = {
  bash: {
    command: (folder: string) => ["bash", "--noprofile", "--rcfile", `${folder}/start`, "-i"],
    file: "start",
    start: `PS1='$ '; bind 'set bell-style none'; source <(pmz completion bash); echo ${MARK}`,
  },
  zsh: {
    command: () => ["zsh", "-i"],
    file: ".zshrc",
    start: `PS1='%# '; unsetopt beep; autoload -Uz compinit && compinit -u -D
      source <(pmz completion zsh); echo ${MARK}`,
  },
  fish: {
    command: (folder: string) => ["fish", "--no-config", "-i", "-C", `source ${folder}/start`],
    file: "start",
    start: `set -g fish_greeting; function fish_prompt; echo '> '; end
      pmz completion fish | source; echo ${MARK}`,
  },
} as const;

/** The same shells with what `pmz install` has written, in folders that they look in. */
const installed = {
  zsh: {
    command: () => ["zsh", "-i"],
    file: ".zshrc",
    start: `PS1='%# '; unsetopt beep; fpath=($ZDOTDIR/zsh/site-functions $fpath)
      autoload -Uz compinit && compinit -u -D; echo ${MARK}`,
    texts: { "zsh/site-functions/_pmz": "zsh" },
  },
  fish: {
    command: (folder: string) => ["fish", "--no-config", "-i", "-C", `source ${folder}/start`],
    file: "start",
    start: `set -g fish_greeting; function fish_prompt; echo '> '; end
      set -g fish_complete_path $XDG_DATA_HOME/fish/vendor_completions.d; echo ${MARK}`,
    texts: { "fish/vendor_completions.d/pmz.fish": "fish" },
  },
} as const;

const cases: [keys: string, ran: string][] = [
  ["pmz leave e\t", "[leave][echo.default:80]"],
  ["pmz leave echo.default:8\t", "[leave][echo.default:80]"],
  ["pmz intercept ca\t8081", "[intercept][cart.shop][8081]"],
  ["pmz intercept echo 8081:h\t", "[intercept][echo][8081:http]"],
  ["pmz explain echo.default:h\t", "[explain][echo.default:http]"],
  ["pmz up --context s\t", "[up][--context][staging]"],
  ["pmz up --context=s\t", "[up][--context=staging]"],
  ["pmz services -n s\t", "[services][-n][shop]"],
  ["pmz dns remove w\t", "[dns][remove][www.shop.example]"],
];

for (const [name, shell] of Object.entries(shells)) {
  Deno.test({
    name: `${name} completes contexts, namespaces, Services, ports and intercepts as they are typed`,
    ignore: !has(name) || !has("python3"),
    fn: async () => {
      await using world = new World();
      const ran = await typed(world, shell, cases.map(([keys]) => keys));
      assert.deepEqual(ran, cases.map(([, expected]) => expected));
    },
  });
}

for (const [name, shell] of Object.entries(installed)) {
  Deno.test({
    name: `${name} completes by the file that pmz install writes, from the first key on`,
    ignore: !has(name) || !has("python3"),
    fn: async () => {
      await using world = new World();
      const few = cases.slice(0, 3);
      const ran = await typed(world, shell, few.map(([keys]) => keys));
      assert.deepEqual(ran, few.map(([, expected]) => expected));
    },
  });
}

/** What `pmz` was run with, for each of these keys and Enter. */
async function typed(
  world: World,
  shell: Shell,
  keys: readonly string[],
): Promise<string[]> {
  const folder = Deno.makeTempDirSync({ prefix: "pmz-shell-" });
  try {
    const home = Deno.env.get("HOME") ?? "/";
    Deno.writeTextFileSync(
      `${folder}/pmz`,
      `#!/bin/sh
if [ "$1" = completion ]; then
  HOME='${home}' exec '${Deno.execPath()}' run -A -q --no-check '${program}' '${world.folder}' "$@"
fi
printf RAN; printf '[%s]' "$@"; echo ' ${MARK}'
`,
      { mode: 0o755 },
    );
    Deno.writeTextFileSync(`${folder}/${shell.file}`, `${shell.start}\n`);
    const texts = shell.texts ? setupTexts("0.1.0") : undefined;
    for (const [path, of] of Object.entries(shell.texts ?? {})) {
      Deno.mkdirSync(`${folder}/${path}`.replace(/[^/]*$/, ""), { recursive: true });
      Deno.writeTextFileSync(`${folder}/${path}`, texts?.[of] ?? "");
    }
    const child = new Deno.Command("python3", {
      args: [script, MARK, ...shell.command(folder)],
      env: {
        PATH: `${folder}:${Deno.env.get("PATH")}`,
        HOME: folder,
        ZDOTDIR: folder,
        XDG_CONFIG_HOME: folder,
        XDG_DATA_HOME: folder,
        TERM: "xterm",
        LC_ALL: "C.UTF-8",
      },
      stdin: "piped",
      stdout: "piped",
    }).spawn();
    const lines = keys.map((line) => `${JSON.stringify(`${line}\r`)}\n`).join("");
    const writer = child.stdin.getWriter();
    await writer.write(new TextEncoder().encode(lines));
    await writer.close();
    const said = new TextDecoder().decode((await child.output()).stdout);
    return [...said.matchAll(/RAN(\S+) /g)].map(([, words = ""]) => words);
  } finally {
    Deno.removeSync(folder, { recursive: true });
  }
}

function has(name: string): boolean {
  return (Deno.env.get("PATH") ?? "").split(":").some((folder) => {
    try {
      return Deno.statSync(`${folder}/${name}`).isFile;
    } catch {
      return false;
    }
  });
}
