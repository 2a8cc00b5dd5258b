import { rcodes, types } from "../../dns/message.ts";
import { addressIn } from "../../dns/resource.ts";
import type { IpAddress } from "../../net/address.ts";
import type { LeftOut } from "../protocol.ts";
import type { Zone } from "../zone/zone.ts";
import { questionFor, resolveExternalName } from "./external_name.ts";
import { type Nameserver, NoAnswer, type UdpForwarder } from "./forward.ts";
import { consider } from "./respond.ts";
import { writeMessage } from "../../dns/message_writer.ts";

/** Milliseconds that the nameserver has to answer: somebody waits for a list. */
const ANSWER_MS = 1_000;

/** Asks for what an ExternalName leads to. @returns per name, what is left out of its answers. @param why an address is left out */
export function leftOutBy(
  zone: Pick<Zone, "answer">,
  why: (address: IpAddress) => string | undefined,
  nameserver: Nameserver,
  forwarder: UdpForwarder,
): (name: string) => Promise<LeftOut> {
  return async (name) => {
    const addresses = new Map<string, string>();
    let target = "";
    let unknown = 0;
    const forbidden = (address: IpAddress) => {
      const reason = why(address);
      if (reason !== undefined) addresses.set(address.text, reason);
      return reason !== undefined;
    };
    const asked = [types.A, types.AAAA];
    await Promise.all(asked.map(async (type) => {
      const reply = consider(writeMessage(questionFor(name, type)), zone);
      if (reply.kind !== "outside") return;
      target = reply.target;
      const signal = AbortSignal.timeout(ANSWER_MS);
      try {
        const { rcode, answers } = await resolveExternalName(reply, nameserver, forwarder, forbidden, signal);
        const hasAddress = answers.some((resource) => addressIn(resource) !== undefined);
        if (rcode !== rcodes.servFail && !hasAddress) unknown++;
      } catch (error) {
        if (!(error instanceof NoAnswer) && !signal.aborted) throw error;
      }
    }));
    return {
      name,
      target,
      addresses: [...addresses].map(([address, why]) => ({ address, why })),
      ...unknown === asked.length && addresses.size === 0 && { isUnknown: true },
    };
  };
}
