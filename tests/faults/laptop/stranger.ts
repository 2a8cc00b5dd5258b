// Root hands sockets to a daemon that it must not be able to hand on: stranger.ts UID
import { Netns } from "../../../ffi/proc/netns.ts";
import { libc } from "../../../ffi/libc.ts";
import { SeqPacketListener } from "../../../ffi/sockets/seqpacket.ts";
import { closeDescriptor, tcpListener } from "../../../ffi/sockets/socket.ts";
import { STRANGER } from "./fake_daemon.ts";

const { setfsuid, unshare } = Deno.dlopen("libc.so.6", {
  setfsuid: { parameters: ["u32"], result: "i32" },
  unshare: { parameters: ["i32"], result: "i32" },
}).symbols;

const uid = Number(Deno.args[0]);
const roots = tcpListener({ address: "127.0.0.1" });
const home = new Netns("/proc/thread-self/ns/net");
unshare(0x40000000);
using other = new Netns("/proc/thread-self/ns/net");
const { setns } = Deno.dlopen("libc.so.6", { setns: { parameters: ["i32", "i32"], result: "i32" } }).symbols;
setns(home.fd, 0x40000000);
const elsewhere = other.run(() => {
  setfsuid(uid); // a socket is of who made it
  const lo = tcpListener({ address: "127.0.0.1" });
  setfsuid(0);
  return lo;
});
using door = SeqPacketListener.listen(STRANGER, { uid });
Deno.stdout.writeSync(new TextEncoder().encode('{"ready":true}\n'));
for (const fd of [roots, elsewhere]) {
  using daemon = await door.accept();
  daemon?.send({}, [fd]);
  await daemon?.receive();
  closeDescriptor(fd);
}
libc.close(home.fd);
