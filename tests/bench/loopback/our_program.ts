// The laptop's end of an intercepted connection, as the daemon's data worker has it: its own way to the program, which here
// is one of the targets whose ports are the arguments. Prints where it listens for the tunnel.
import { FlowTable } from "../../../dataplane/flow_table.ts";
import { inbound } from "../../../dataplane/inbound.ts";
import { LocalTargets } from "../../../dataplane/local_targets.ts";
import { SocketPrograms } from "../../../ffi/proc/socket_program.ts";
import { Connection } from "../../../hbone/mod.ts";
import { held } from "./held.ts";
import { PORT, RULES_EACH, ruleUid } from "./rules.ts";

const locals = new LocalTargets();
locals.replace(Deno.args.flatMap((target, of) =>
  Array.from({ length: RULES_EACH }, (_, i) => ({
    rule: ruleUid(of * RULES_EACH + i),
    port: PORT,
    host: "127.0.0.1",
    localPort: Number(target),
    protocol: "tcp" as const,
    intercept: `bench/load-${of}:${i}`,
  }))
));
const flows = new FlowTable({ failed() {}, refused() {}, ended() {} }, new SocketPrograms());

const listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
void held();
await Deno.stdout.write(new TextEncoder().encode(`ready ${listener.addr.port}\n`));
for await (const transport of listener) {
  transport.setNoDelay();
  new Connection(transport, {
    role: "server",
    onStream: (stream) => void inbound(stream, { cluster: "bench", locals, flows }),
  });
}
