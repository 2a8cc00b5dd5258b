import { object } from "@optique/core/constructs";
import { protocolVersions } from "../../wire/hello.ts";
import { define } from "../command.ts";

export const version = define({
  words: "version",
  brief: "Print the versions of pmz and its daemon",
  examples: [
    ["pmz version", "for people"],
    ["pmz version -o json", "for scripts"],
  ],
  options: object({}),
  data: true,
  async run(cli) {
    const { release } = cli.parts;
    const daemon = await cli.runningDaemon({ anyVersion: true });
    cli.terminal.json("Version", {
      release,
      control: protocolVersions.control.newest,
      ...(daemon ? { daemon: { release: daemon.hello.release, control: daemon.hello.version } } : {}),
    });
    cli.terminal.print(`pmz ${release}`);
    if (daemon) cli.terminal.print(`daemon ${daemon.hello.release}`);
    if (daemon && daemon.hello.release !== release) {
      cli.terminal.warn("the running daemon is of another release", "to replace it: pmz down, then pmz up");
    }
  },
});
