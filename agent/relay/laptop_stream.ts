/** Streams to laptops: opening one for a rule, and what a laptop answers. */
import { Deadlines } from "../../async/deadlines.ts";
import { ErrorCode, type Header, headerValue, type Stream, StreamReset } from "../../hbone/mod.ts";
import { formatEndpoint } from "../../net/address.ts";
import { formatRuleTarget, headers, parseProxyStatus, UDP_PROTOCOL, udpPath } from "../../wire/streams.ts";
import type { RelayedRule } from "../../wire/handover.ts";
import type { LaptopTunnels } from "./upstreams.ts";

/** What a stream's request says of the connection. */
export interface StreamRequest {
  readonly flow: string;
  /** "namespace/name" of the pod. */
  readonly pod: string;
  readonly caller: { readonly address: string; readonly port: number };
  readonly destination: { readonly address: string; readonly port: number };
}

/** Milliseconds that the laptop has to answer, or up to 100 more. */
const ANSWER_MS = 15_000;
const deadlines = new Deadlines();

/** A stream of the newest tunnel that takes one; undefined where the rule is gone or none does. */
export function openStream(
  tunnels: LaptopTunnels,
  uid: string | undefined,
  request: StreamRequest,
): Stream | undefined {
  return open(tunnels, uid, request, () => []);
}

/** The same for a UDP flow, whose datagrams are capsules. A laptop that doesn't know UDP refuses it. */
export function openUdpStream(
  tunnels: LaptopTunnels,
  uid: string,
  request: StreamRequest,
): Stream | undefined {
  return open(tunnels, uid, request, (rule) => [
    [":protocol", UDP_PROTOCOL],
    [":scheme", "https"],
    [":path", udpPath(rule.uid, rule.port)],
    [headers.capsuleProtocol, "?1"],
  ]);
}

function open(
  tunnels: LaptopTunnels,
  uid: string | undefined,
  { flow, pod, caller, destination }: StreamRequest,
  more: (rule: RelayedRule) => readonly Header[],
): Stream | undefined {
  const rule = uid === undefined ? undefined : tunnels.rule(uid);
  if (!rule) return undefined;
  const request: readonly Header[] = [
    [":method", "CONNECT"],
    [":authority", formatRuleTarget({ rule: rule.uid, port: rule.port })],
    ...more(rule),
    [headers.flow, flow],
    [headers.caller, formatEndpoint(caller.address, caller.port)],
    [headers.pod, pod],
    [headers.destination, formatEndpoint(destination.address, destination.port)],
  ];
  for (const tunnel of tunnels.of(rule.uid)) {
    try {
      return tunnel.open(request);
    } catch {
      // Closed, draining or full: the next one.
    }
  }
}

/** `declined`: the connection never reached a program, so the pod may have it, with the bytes that were read ahead. */
export type Answer = { readonly kind: "accepted" } | {
  readonly kind: "declined" | "failed";
  readonly details: string;
};

/**
 * Waits for the laptop's answer. The caller's first bytes travel meanwhile.
 * @param sent whether any of them did: then the laptop's program may have acted on them
 * @param finish called when it has accepted
 */
export async function answerOf(
  stream: Stream,
  sent: () => boolean,
  finish: () => Promise<void>,
): Promise<Answer> {
  const answered = deadlines.add(ANSWER_MS, () => stream.reset(ErrorCode.CANCEL));
  try {
    const response = await stream.response;
    const status = headerValue(response, ":status") ?? "";
    if (status === "200") {
      await finish();
      return { kind: "accepted" };
    }
    stream.close();
    const declined = status === "403" || status === "404" || status === "503";
    return { kind: declined ? "declined" : "failed", details: refusal(status, response) };
  } catch (error) {
    const details = `no answer from the laptop: ${error instanceof Error ? error.message : error}`;
    const untouched = error instanceof StreamReset && error.code === ErrorCode.REFUSED_STREAM;
    return { kind: untouched || !sent() ? "declined" : "failed", details };
  } finally {
    answered();
  }
}

function refusal(status: string, response: readonly Header[]): string {
  const said = parseProxyStatus(headerValue(response, headers.proxyStatus) ?? "");
  return said
    ? `the laptop answered ${status} ${said.error}: ${said.details}`
    : `the laptop answered ${status}`;
}
