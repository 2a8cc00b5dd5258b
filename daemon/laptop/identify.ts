import { SystemCallError } from "../../ffi/libc.ts";
import { closeDescriptor, startConnect, tcpSocket } from "../../ffi/sockets/socket.ts";
import { parseAddress } from "../../net/address.ts";
import { Failure } from "../failure.ts";
import type { HelperClient } from "./helper_client.ts";

/**
 * Tells the names program which process this is, whose own queries must pass: by a connect to port 1 of the pmz address, which the
 * program notes and refuses (bpf/capture.bpf.c). It is known by the socket, since anybody may dial that port.
 */
export async function identify(helper: HelperClient): Promise<void> {
  const address = parseAddress(helper.facts.address);
  if (!address) throw new Failure("helper", "the root helper's answer is not valid");
  const fd = tcpSocket(address.family);
  try {
    await helper.identify(fd);
    startConnect(fd, { address, port: 1 });
  } catch (error) {
    if (!(error instanceof SystemCallError)) throw error; // the program has refused it, as it has to
  } finally {
    closeDescriptor(fd);
  }
}
