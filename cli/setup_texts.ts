import type { SetupTexts } from "../wire/setup.ts";
import { manualPage } from "./manual_page.ts";
import { parse } from "./parse.ts";

/** What is installed next to the program. */
export function setupTexts(release: string): SetupTexts {
  return {
    bash: completion("bash", release),
    zsh: completion("zsh", release),
    fish: completion("fish", release),
    manual: manualPage(release),
  };
}

/** What `pmz completion SHELL` prints. */
function completion(shell: string, release: string): string {
  let script = "";
  const stdout = {
    isTerminal: false,
    columns: () => undefined,
    write: (text: string) => void (script += text),
  };
  parse(["completion", shell], { release, stdout });
  return `${script.trim()}\n`;
}
