import { output } from "./command.ts";
import { cluster, type Laptop } from "./laptop.ts";
import { Neighbours } from "./neighbours.ts";
import type { World } from "./world.ts";

/** Programs of Debian and npm that call Services, and a browser, on a laptop; and the Go program `client` on both laptops. */
export async function clientsOn(world: World, laptop: Laptop): Promise<Neighbours> {
  const said = await output([cluster, "clients"], { timeout: 10 * 60_000 }); // gets what is missing
  const [debian = "", program = ""] = said.trim().split("\n");
  await world.install(program);
  return await Neighbours.of(laptop, debian);
}
