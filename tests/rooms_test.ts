/** The rooms and the arrows between them are those of docs/architecture.md, "Rooms"; none runs back. */
import assert from "node:assert/strict";

const root = new URL("../", import.meta.url);

/** Rooms that only build or test pmz: they may import whatever they need. */
const workshops: ReadonlySet<string> = new Set(["bpf/", "build/", "tests/"]);

/** Each room of the tables with the rooms that it may import: "daemon/", and "daemon/commands/" inside it. */
function statedRooms(): Map<string, ReadonlySet<string>> {
  const page = Deno.readTextFileSync(new URL("docs/architecture.md", root));
  const section = page.split(/^## Rooms$/m)[1]?.split(/^## /m)[0] ?? "";
  const rooms = new Map<string, ReadonlySet<string>>();
  for (const row of section.split("\n")) {
    const cells = row.split("|");
    const [name] = codes(cells[1] ?? "");
    if (cells.length === 5 && name !== undefined) rooms.set(name, new Set(codes(cells[3] ?? "")));
  }
  return rooms;
}

function codes(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+\/)`/g)].map(([, code = ""]) => code);
}

/** The modules of the program: no tests, none of their fixtures. */
function* modulesIn(folder: string): Generator<string> {
  for (const { name, isDirectory } of Deno.readDirSync(new URL(folder, root))) {
    if (isDirectory && name !== "testing") yield* modulesIn(`${folder}${name}/`);
    else if (name.endsWith(".ts") && !name.endsWith("_test.ts")) yield `${folder}${name}`;
  }
}

/** The modules that a module imports, by their paths from the root. */
function importsOf(module: string): string[] {
  const text = Deno.readTextFileSync(new URL(module, root));
  return [...text.matchAll(/^(?!\s*\*).*?(?:from|import)\s*\(?\s*"(\.[^"]+)"/gm)].map(([, path = ""]) =>
    new URL(path, new URL(module, root)).pathname.slice(root.pathname.length)
  );
}

/** "daemon/", or "daemon/commands/" with a depth of 2; undefined for a file that lies in no such folder. */
function roomOf(module: string, depth: 1 | 2): string | undefined {
  const parts = module.split("/");
  return parts.length > depth ? `${parts.slice(0, depth).join("/")}/` : undefined;
}

/** The rooms that a room's modules import: other top rooms, or its sisters. */
function arrowsOf(room: string, depth: 1 | 2): Set<string> {
  const found = new Set<string>();
  for (const module of modulesIn(room)) {
    for (const imported of importsOf(module)) {
      const other = roomOf(imported, depth);
      if (other === undefined || other === room) continue;
      if (depth === 2 && roomOf(imported, 1) !== roomOf(module, 1)) continue;
      found.add(other);
    }
  }
  return found;
}

const rooms = statedRooms();
const depthOf = (room: string): 1 | 2 => room.split("/").length > 2 ? 2 : 1;

Deno.test("rooms import each other as docs/architecture.md says, and no other way", () => {
  assert.ok(rooms.size > 30, "the tables are there");
  for (const [room, allowed] of rooms) {
    if (workshops.has(room)) continue;
    assert.deepEqual(
      [...arrowsOf(room, depthOf(room))].sort(),
      [...allowed].sort(),
      `${room} imports other rooms than its row in docs/architecture.md says`,
    );
  }
});

Deno.test("the data plane is reached by its face alone", () => {
  for (const room of rooms.keys()) {
    if (workshops.has(room) || depthOf(room) > 1 || room === "dataplane/") continue;
    for (const module of modulesIn(room)) {
      const past = importsOf(module).filter((path) =>
        path.startsWith("dataplane/") && path !== "dataplane/plane.ts"
      );
      assert.deepEqual(past, [], `${module} imports past dataplane/plane.ts`);
    }
  }
});

Deno.test("other rooms import hbone only through hbone/mod.ts", () => {
  for (const room of rooms.keys()) {
    if (room.startsWith("hbone/") || workshops.has(room)) continue;
    for (const module of modulesIn(room)) {
      const past = importsOf(module).filter((path) => path.startsWith("hbone/") && path !== "hbone/mod.ts");
      assert.deepEqual(past, [], `${module} imports past hbone/mod.ts`);
    }
  }
});

Deno.test("every room has a row in docs/architecture.md", () => {
  for (const { name, isDirectory } of Deno.readDirSync(root)) {
    if (!isDirectory || /^\.|^(dist|docs|findings|tools)$/.test(name)) continue;
    assert.ok(rooms.has(`${name}/`), `${name}/ has no row`);
    if (workshops.has(`${name}/`)) continue;
    for (const inner of Deno.readDirSync(new URL(`${name}/`, root))) {
      if (!inner.isDirectory || inner.name === "testing" || modulesIn(`${name}/${inner.name}/`).next().done) {
        continue;
      }
      // A room of one kind of files has no plan of its own (cli/commands/).
      if (![...rooms.keys()].some((room) => room.startsWith(`${name}/`) && depthOf(room) === 2)) continue;
      assert.ok(rooms.has(`${name}/${inner.name}/`), `${name}/${inner.name}/ has no row`);
    }
  }
});

Deno.test("no arrow between rooms runs back", () => {
  const done = new Set<string>();
  const visit = (room: string, way: readonly string[]): void => {
    assert.ok(!way.includes(room), `a circle: ${[...way, room].join(" -> ")}`);
    if (done.has(room)) return;
    for (const other of rooms.get(room) ?? []) visit(other, [...way, room]);
    done.add(room);
  };
  for (const room of rooms.keys()) visit(room, []);
});

Deno.test("no two modules import each other, however far around", () => {
  const done = new Set<string>();
  const visit = (module: string, way: readonly string[]): void => {
    assert.ok(!way.includes(module), `a circle: ${[...way.slice(way.indexOf(module)), module].join(" -> ")}`);
    if (done.has(module)) return;
    for (const other of importsOf(module)) if (other.endsWith(".ts")) visit(other, [...way, module]);
    done.add(module);
  };
  for (const room of rooms.keys()) {
    if (depthOf(room) === 2 || workshops.has(room)) continue;
    for (const module of modulesIn(room)) visit(module, []);
  }
});
