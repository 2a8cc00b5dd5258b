import type { CheckId } from "../wire/doctor.ts";
import { agent } from "./agent.ts";
import { apiServer } from "./api_server.ts";
import { cgroup } from "./cgroup.ts";
import type { Check } from "./check.ts";
import { daemon } from "./daemon.ts";
import { helper } from "./helper.ts";
import { kernel } from "./kernel.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { leftovers } from "./leftovers.ts";
import { nameService } from "./name_service.ts";
import type { CheckParts } from "./parts.ts";
import { platform } from "./platform.ts";
import { programs } from "./programs.ts";
import { proxies } from "./proxies.ts";
import { rights } from "./rights.ts";
import { shortNames } from "./short_names.ts";
import { tun } from "./tun.ts";
import { tunnel } from "./tunnel.ts";

/** Every check by its name; `pmz doctor` runs them all. */
export const registry = {
  platform,
  kernel,
  cgroup,
  tun,
  programs,
  "name-service": nameService,
  kubeconfig,
  proxies,
  "api-server": apiServer,
  rights,
  agent,
  daemon,
  helper,
  tunnel,
  "short-names": shortNames,
  leftovers,
} as const satisfies Readonly<Record<CheckId, Check<CheckParts>>>;

/** The same, in the order of {@linkcode checkIds}: those that others need come first. */
export const checks: readonly Check<CheckParts>[] = Object.values(registry);

/** What checks that ask nobody and read a few files look at. */
export type CheapParts = Pick<CheckParts, "nameService" | "resolver" | "namespaces">;

/** Those that cost next to nothing, and matter while programs use a cluster's names: `pmz up` and `pmz status` show their warnings. */
export const cheapChecks: readonly Check<CheapParts>[] = [nameService, shortNames];
