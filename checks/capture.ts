import type { Finding } from "../wire/doctor.ts";
import type { BlockedConnection } from "../wire/control.ts";
import { type NetworkDamage, networkPartNames, type RulePrecedence } from "../wire/helper.ts";
import { blockingRemedy, blockingWords } from "../wire/blocking_rule.ts";
import { capitalized, type Check, failed, ok, sentence, skipped, warning } from "./check.ts";
import type { CheckParts } from "./parts.ts";

/** Whether connections to a cluster are still captured after `pmz up`: the root helper may have been killed since. */
export const capture: Check<Pick<CheckParts, "capture">> = {
  id: "capture",
  title: "Capture",
  severity: "failed",
  needs: ["daemon"],
  remedy: "Run `pmz status`.",
  limitMs: 10_000,
  run: async (parts) => {
    const { isWanted, helper } = await parts.capture();
    if (!isWanted) return [skipped("No cluster is captured.")];
    if (helper.state === "none") {
      return [
        failed("The root helper has ended, so nothing is captured.", "Run `pmz up`: it starts another one."),
      ];
    }
    const { routes, address, precedence, damage = [], blocked = [], udpProblem } = helper;
    const captured = ok(`${routes} addresses are captured, from ${address}.`);
    return [
      captured,
      ...udpProblem === undefined ? [] : [withoutUdp(udpProblem)],
      ...precedence ? [passedBy(precedence)] : [],
      ...damage.map(changed),
      ...blocked.map(keptFrom),
    ];
  },
};

function withoutUdp(why: string): Finding {
  return warning(
    `UDP isn't carried (${why}): datagrams to the cluster are refused at once.`,
    "TCP works as usual. If the root helper is of an older release: pmz down, then pmz up.",
  );
}

function changed({ part, repaired, last, problem }: NetworkDamage): Finding {
  const time = new Date(last).toLocaleTimeString("en-GB");
  if (problem === undefined) {
    const often = repaired === 1 ? `at ${time}` : `${repaired} times, the last time at ${time}`;
    return ok(
      `Another program has changed pmz's ${networkPartNames[part]} ${often}: pmz has put that right.`,
    );
  }
  return warning(
    `Another program has changed pmz's ${
      networkPartNames[part]
    } (at ${time}), and pmz can't put that right: ${problem}. Connections to the ` +
      "cluster may fail.",
    "End the program that does that (a VPN, a firewall or a network script, for example), then run `pmz up`: it puts it right. " +
      "`ip monitor` shows what changes.",
  );
}

function keptFrom({ to, by, isLedElsewhere, isOfNames, isLoDown }: BlockedConnection): Finding {
  if (isLoDown) {
    return warning(
      `The device lo is down, and connections to ${to} go by it, as does everything that this machine's programs say to each other.`,
      "Run `sudo ip link set lo up`.",
    );
  }
  if (by) return warning(capitalized(blockingWords(to, by)), sentence(blockingRemedy(by)));
  if (isOfNames) {
    return warning(
      `Programs' questions for names go to pmz at ${to}, and something on this machine drops them: no name is answered.`,
      "Look at this machine's firewall: packets by the device lo have to pass: sudo nft list ruleset; sudo iptables-save",
    );
  }
  const what = isLedElsewhere ? "something leads them elsewhere" : "something drops them";
  return warning(
    `Connections to ${to} are captured, and don't get through this machine: ${what}.`,
    "Look at this machine's firewall: sudo nft list ruleset; sudo iptables-save",
  );
}

function passedBy({ family, priority, table, contested }: RulePrecedence): Finding {
  return warning(
    `The IPv${family} rule ${priority} of another program (table ${table}) comes before pmz's: connections to ` +
      `the cluster may go its way. ${
        contested ? "That program puts it first again and again." : "There is no room before it."
      }`,
    "End that program, a VPN for example, or start it before `pmz up`; `ip rule` shows the order.",
  );
}
