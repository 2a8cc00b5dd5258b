import { capture as captureCheck } from "../../../checks/capture.ts";
import { failed, ok, skipped, warning } from "../../../checks/check.ts";
import { formatEndpoint } from "../../../net/address.ts";
import type { ExplainRequest, Mode } from "../../../wire/control.ts";
import type { Finding } from "../../../wire/finding.ts";
import type { UnreachableAddress } from "../../../wire/unreachable.ts";
import { isLedElsewhere } from "../../laptop/arrival.ts";
import { isLoopbackDown } from "../../laptop/loopback.ts";
import type { HostCapture } from "../../laptop/host_capture.ts";
import { insideWords } from "../../../wire/inside.ts";
import { blockingRemedy, blockingWords } from "../../../wire/blocking_rule.ts";

/** The kernel connects a captured address at once, unless something drops its packets; in milliseconds. */
const DIAL_MS = 2_000;

/** Addresses that are named; more are counted. */
const NAMED = 3;

/** Whether this machine's programs get the addresses of a name, and not others. */
export function programsHop(
  { host, lookup }: ExplainRequest,
  expected: readonly string[],
  { hosts, nameProblem, unreachedStub, nameWarnings }: {
    readonly hosts: ReadonlySet<string>;
    readonly nameProblem: string | undefined;
    /** pmz's DNS stub, where what is sent on this machine doesn't get to it. */
    readonly unreachedStub: string | undefined;
    /** What the checks say of this machine's name service. */
    readonly nameWarnings: readonly { readonly message: string; readonly hint?: string }[];
  },
): Finding {
  if (!lookup) return skipped("what programs get for the name isn't known");
  const [first] = nameWarnings;
  if (unreachedStub !== undefined && lookup.addresses.length === 0) return keptFromStub(unreachedStub);
  if (lookup.isLate) {
    return failed(
      `programs get no answer for the name within ${Math.round(lookup.ms / 1000)} s: ${
        nameProblem ?? first?.message ?? "another nameserver, or a cache, is asked before pmz"
      }`,
      first?.hint ?? "run: pmz doctor name-service",
    );
  }
  const got = namedAddresses(lookup.addresses);
  const isAsExpected = lookup.addresses.length > 0 && lookup.addresses.every((one) => expected.includes(one));
  if (isAsExpected) return ok(`programs get ${got}`);
  const gets = got === "" ? "programs get no address" : `programs get ${got}`;
  if (hosts.has(host)) {
    return failed(
      `${gets}: /etc/hosts has ${host}, and programs look there first`,
      `take it out of /etc/hosts: grep -n ${host} /etc/hosts`,
    );
  }
  if (nameProblem !== undefined) return failed(`${gets}: ${nameProblem}`, "run: pmz down, then pmz up");
  if (first) return failed(`${gets}: ${first.message}`, first.hint ?? "run: pmz doctor name-service");
  if (expected.length === 0) {
    return failed(`${gets}: the name leads to no address that is reached`, "see the hops below");
  }
  const why = got === ""
    ? "the name leads to"
    : "another nameserver, or a cache, answers before pmz; the name leads to";
  return failed(`${gets}: ${why} ${namedAddresses(expected)}`, "run: pmz doctor name-service");
}

/** A headless Service has as many addresses as pods: "10.244.1.1, 10.244.1.2, 10.244.1.3 and 197 more". */
function namedAddresses(addresses: readonly string[]): string {
  const named = addresses.slice(0, NAMED).join(", ");
  return addresses.length > NAMED ? `${named} and ${addresses.length - NAMED} more` : named;
}

function keptFromStub(stub: string): Finding {
  return failed(
    `programs get no address: their questions go to pmz at ${stub}, and something on this machine drops what is sent there`,
    "change the firewall's rule, or the setting of the program that made it: packets by the device lo have to pass; " +
      "sudo nft list ruleset",
  );
}

/** Which address takes connections, and what was seen. */
export interface AddressHop {
  readonly saw: Finding;
  /** As the cluster knows it. */
  readonly address?: string;
  /** As programs dial it. */
  readonly dialled?: string;
}

/** How this machine stands to the addresses of a cluster. */
export interface Reach {
  readonly cluster: string;
  readonly mode: Mode;
  /** What an `up` that is under way does now. */
  readonly comingUp: string | undefined;
  readonly hostCapture: Pick<HostCapture, "reachedAt" | "whyNotItself" | "refusal" | "also"> | undefined;
  /** Of what is dialled, the addresses that aren't reached. */
  readonly unreachable: readonly UnreachableAddress[];
  /** Where the proxy is served. */
  readonly proxy: string | undefined;
  /** Whether the shell's programs are set to use it. */
  readonly usesProxy: boolean;
}

/** Whether connections to these addresses come to pmz. */
export function addressHop(addresses: readonly string[], reach: Reach): AddressHop {
  const { cluster, mode, comingUp, hostCapture, unreachable } = reach;
  const [first] = addresses;
  if (comingUp !== undefined && (mode === "intercept" || mode === "capture" && !hostCapture)) {
    return {
      saw: failed(
        `nothing is captured yet, since pmz up is still under way: ${comingUp}`,
        "wait for it; what runs in the cluster: pmz agent status",
      ),
    };
  }
  if (mode === "intercept") {
    return { saw: failed("the cluster is connected for intercepts only", "run: pmz up") };
  }
  if (first === undefined) return { saw: nothingReached(unreachable) };
  if (mode === "proxy") return { saw: proxied(first, reach), address: first };
  if (!hostCapture) {
    return {
      saw: failed("the root helper has ended, so nothing is captured", "run pmz up: it starts another one"),
    };
  }
  const captured = addresses.filter((one) => hostCapture.reachedAt(cluster, one) === one);
  if (captured[0] !== undefined) {
    const verb = captured.length === 1 ? "is" : "are";
    const inside = insideWords(hostCapture.also.map(({ name }) => name));
    return {
      saw: ok(`${namedAddresses(captured)} ${verb} captured, for ${inside}`),
      address: captured[0],
      dialled: captured[0],
    };
  }
  const virtual = addresses.find((one) => hostCapture.reachedAt(cluster, one) !== undefined);
  const dialled = virtual && hostCapture.reachedAt(cluster, virtual);
  if (virtual !== undefined && dialled !== undefined) {
    const why = hostCapture.whyNotItself(cluster, virtual) ?? "the reason isn't known";
    return {
      saw: ok(
        `${virtual} of ${cluster} is reached by the virtual address ${dialled}, which is captured: ${why}`,
      ),
      address: virtual,
      dialled,
    };
  }
  const known = unreachable.find(({ address }) => address === first);
  const why = known?.why ?? hostCapture.refusal(cluster, first) ?? "the reason isn't known";
  const remedy = known?.remedy ?? "through the proxy it is reached all the same: pmz up --proxy";
  return { saw: failed(`${first} isn't captured: ${why}`, remedy) };
}

function proxied(address: string, { proxy, usesProxy }: Reach): Finding {
  if (proxy === undefined) return failed("neither capture nor the proxy is up", "run: pmz up");
  if (usesProxy) return ok(`programs of this shell reach ${address} through the proxy ${proxy}`);
  return warning(
    `${address} isn't captured: only programs that are set to use the proxy ${proxy} reach it`,
    `export http_proxy=http://${proxy} https_proxy=http://${proxy}, or connect all programs: pmz up`,
  );
}

function nothingReached([first]: readonly UnreachableAddress[]): Finding {
  if (!first) return failed("there is no address to dial", "look at the endpoints: pmz services");
  return failed(`${first.address} is not reached: ${first.why}`, first.remedy ?? "pmz up --proxy");
}

/** What other programs have done to pmz's rules, device and routes, and what isn't right since. */
export async function ownNetworkHop({ state: helper }: HostCapture): Promise<Finding[]> {
  const findings = await captureCheck.run(
    { capture: () => Promise.resolve({ isWanted: true, helper }) },
    new AbortController().signal,
  );
  return findings.filter(({ level }) => level === "warning");
}

/**
 * What is known of datagrams on this machine: none is sent to try it, since nothing would say whether it arrived.
 * @param refusal why the last one couldn't be carried
 */
export function datagramsHop([passedBy]: readonly Finding[], refusal?: string): Finding {
  if (refusal !== undefined) {
    return failed(
      `the last datagram wasn't carried: ${refusal}`,
      "end what is in the way, and send again: pmz logs has more",
    );
  }
  return passedBy && "remedy" in passedBy
    ? warning(passedBy.saw, passedBy.remedy)
    : skipped("no datagram is sent to try it; whether a firewall of this machine is in the way: pmz doctor");
}

/** Whether a connection to a captured address gets through this machine: dials it as a program does. */
export async function machineHop(
  hostCapture: Pick<HostCapture, "blockedBy">,
  address: string,
  port: number,
  passedBy: readonly Finding[],
): Promise<Finding> {
  const to = formatEndpoint(address, port);
  const [first] = passedBy;
  try {
    using conn = await Deno.connect({ hostname: address, port, signal: AbortSignal.timeout(DIAL_MS) });
    if (isLedElsewhere(conn)) {
      const by = await hostCapture.blockedBy(address, port);
      return by ? failed(blockingWords(to, by), blockingRemedy(by)) : failed(
        `${to} is captured, and something on this machine leads a connection elsewhere`,
        "look at the NAT of this machine: sudo nft list ruleset; sudo iptables-save -t nat",
      );
    }
    return first && "remedy" in first
      ? warning(first.saw, first.remedy)
      : ok("this machine lets connections there pass");
  } catch (error) {
    if (first && "remedy" in first) return failed(first.saw, first.remedy);
    if (isLoopbackDown()) {
      return failed("the device lo is down, by which captured connections go", "sudo ip link set lo up");
    }
    const by = await hostCapture.blockedBy(address, port);
    if (by) return failed(blockingWords(to, by), blockingRemedy(by));
    const why = error instanceof Error && error.name !== "TimeoutError" && error.name !== "AbortError"
      ? error.message.replace(/ \(os error \d+\)$/, "")
      : `no answer within ${DIAL_MS / 1000} s`;
    return failed(
      `${to} is captured, and a connection on this machine fails: ${why}`,
      "look at the rules of this machine: ip rule; sudo nft list ruleset",
    );
  }
}
