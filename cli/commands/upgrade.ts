import { object } from "@optique/core/constructs";
import { RELEASES } from "../../wire/releases.ts";
import { define } from "../command.ts";

export const upgrade = define({
  words: "upgrade",
  brief: "Print how to get a newer pmz",
  description: "Prints how a newer pmz is got and installed. It changes nothing, and asks no server.",
  examples: [["pmz upgrade", "what to type"]],
  options: object({}),
  data: false,
  run({ terminal, parts }) {
    terminal.print(`this is pmz ${parts.release}`);
    for (const line of upgradeSteps(RELEASES)) terminal.print(line);
    return Promise.resolve();
  },
});

/** @param releases the page of the releases; undefined while pmz has no releases */
export function upgradeSteps(releases: string | undefined): string[] {
  if (releases === undefined) {
    return [
      "there are no releases yet: build the newest in a checkout, and install that",
      "  git pull",
      "  ./dev build",
      "  dist/pmz install",
    ];
  }
  return [
    `releases are at ${releases}; its script gets the newest, compares its digest, and installs it`,
    `  curl -fsSL ${releases}/latest/download/install.sh | sh`,
  ];
}
