/** The command line as a process of its own: the state folder, then the arguments. */
import { runCli } from "../cli.ts";
import { processConsole } from "../console.ts";

const [stateFolder = "", ...argv] = Deno.args;
const code = await runCli(argv, {
  ...processConsole(),
  release: "0.1.0",
  stateFolder,
  env: Deno.env,
  uid: 1000, // so that sudo is asked for, even when root runs the tests
  environment: () => ({ variables: Deno.env.toObject(), folder: "/" }),
  pluginCredential: () => Promise.resolve(undefined),
  startDaemon: () => Promise.reject(new Error("this program has no daemon")),
  helperCommand: () => ["true"],
  selfCommand: () => ["true"],
  setup: () => Promise.reject(new Error("this program installs nothing")),
  manifests: () => "kind: List\n",
  leftovers: () => Promise.resolve([]),
  shellWarnings: () => Promise.resolve([]),
  lookup: () => Promise.resolve(undefined),
  logs: async function* () {},
  contexts: () => ["dev", "staging"],
  report: () => Promise.reject(new Error("this program makes no report")),
  doctor: () => Promise.resolve([]),
  servePage: () => Promise.reject(new Error("this program serves no page")),
  openBrowser: () => Promise.resolve(false),
});
Deno.exit(code);
