// Takes the pictures of docs/ui.md: the page of the built file on the test cluster, `./dev screenshots`.
// deno-lint-ignore-file no-console -- what it prints is what it is for
import { answer } from "../e2e/lib/answerer.ts";
import { clientsOn } from "../e2e/lib/clients.ts";
import { browse, has, press, servePage, type } from "../e2e/lib/page.ts";
import { Stage } from "../e2e/lib/stage.ts";

const folder = new URL("../../docs/images/", import.meta.url);
const wide = { width: 1200, height: 900 };
const narrow = { width: 360, height: 860 };

/** What alice's programs connect to meanwhile. */
const CALLS = `while :; do
  curl -s -m 5 -o /dev/null -H 'x-user: alice' http://echo.default.svc/
  curl -s -m 5 -o /dev/null http://payments.team-a.svc:8080/
  curl -s -m 5 -o /dev/null http://www.shop.example/cart
  sleep 2
done`;

await using stage = await Stage.set();
const { world, alice, otherBob } = stage;
await using programs = await clientsOn(world, world.laptop);
await using _namespace = {
  [Symbol.asyncDispose]: async () => void await world.kubectl(["delete", "namespace", "team-a"]),
};
await world.kubectl(["create", "namespace", "team-a"]);
for (const name of ["cart", "checkout", "payments"]) {
  await world.kubectl(["-n", "team-a", "create", "service", "clusterip", name, "--tcp=8080"]);
}
await alice.done(["agent", "deploy"], { timeout: 300_000 });
await alice.up();
await alice.done(["dns", "add", "www.shop.example", "echo"]);
await using _domain = {
  [Symbol.asyncDispose]: async () => void await alice.run(["dns", "remove", "www.shop.example"]),
};
await using _hers = await answer(world.laptop, "alice", { as: "alices-laptop", http: 8081, tcp: 9100 });
await using _his = await answer(world.other, "bob", { as: "bobs-laptop", http: 8081, tcp: 9100 });
await otherBob.done(["intercept", "echo", "8081:http", "--header", "x-user=bob"]);
await alice.done(["intercept", "echo", "8081:http", "--header", "x-user=alice", "--ttl", "2h"]);
await using page = await servePage(world.laptop, "alice");
await using _calls = world.laptop.spawn("alice", ["sh", "-c", CALLS]);

const { pictures } = await browse(programs, [
  { look: { ...wide, dark: false } },
  { open: page.url },
  has("#flows", "no ready endpoint", "done in"),
  { until: "/requests: [1-9]/.test(document.querySelector('#intercepts').innerText)" },
  { until: "document.querySelectorAll('.flow').length > 3" },
  { picture: "ui-light" },
  { look: { ...wide, dark: true } },
  { picture: "ui-dark" },
  { look: { ...narrow, dark: true } },
  { picture: "ui-narrow" },
  { look: { width: 760, height: 760, dark: false } },
  ...press("#services [aria-label='Intercept echo.default.svc']"),
  ...press("#dialog [value=match]"),
  ...type("#dialog .matcher input", "x-user=alice"),
  { run: "document.activeElement.blur()" },
  { picture: "ui-intercept" },
]);
let bytes = 0;
for (const [name, picture] of pictures) {
  await Deno.writeFile(new URL(`${name}.webp`, folder), picture);
  bytes += picture.length;
}
console.log(`${folder.pathname}: ${pictures.size} pictures, ${bytes >> 10} KiB`);
