/** Installs into a home folder, and says in one line why that can't be done: the home folder, with a file to install. */
import { LocalSetup } from "../setup.ts";

const [home = ""] = Deno.args;
const setup = new LocalSetup({
  env: { get: (name) => name === "HOME" ? home : undefined },
  uid: 0,
  own: `${home}/download`,
  texts: () => Promise.resolve({ bash: "1", zsh: "2", fish: "3", manual: "4" }),
});
let said = "installed";
try {
  await setup.install({ scope: "user", release: "1.0.0", force: false });
} catch (error) {
  said = error instanceof Error && "hint" in error ? `${error.message}: ${error.hint}` : String(error);
}
await Deno.stdout.write(new TextEncoder().encode(`${said}\n`));
