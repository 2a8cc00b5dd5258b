import { object } from "@optique/core/constructs";
import { define } from "../command.ts";
import { settings } from "../settings/table.ts";

const all = Object.values(settings);

export const configView = define({
  words: "config view",
  brief: "Show the settings and their origin",
  description: [
    "Shows each setting, its value and where that is from: a variable, a line of the file, or nowhere. The file is " +
    "~/.config/pmz/config.yaml, or $XDG_CONFIG_HOME/pmz/config.yaml. Options of the command line come before variables, variables " +
    "before the file. Ranges that are accepted by options and by settings count both.",
    "",
    "Settings, with their variables and options:",
    ...all.map(({ key, variable, option }) => `  ${key} (${variable}, ${option})`),
  ].join("\n"),
  examples: [
    ["pmz config view", "for people"],
    ["pmz config view -o json", "for scripts"],
  ],
  options: object({}),
  data: true,
  async run(cli) {
    const { terminal } = cli;
    const { path, shown } = await cli.settings();
    terminal.json("Config", { ...(path === undefined ? {} : { path }), items: shown });
    terminal.table(
      shown.map(({ key, value, from }) => [
        key,
        value === undefined ? "-" : typeof value === "string" ? value : value.join(", "),
        from === "default" ? otherwiseOf(key) : from,
      ]),
      ["SETTING", "VALUE", "FROM"],
    );
  },
});

function otherwiseOf(key: string): string {
  return `default: ${all.find((one) => one.key === key)?.otherwiseSays ?? ""}`;
}
