import type { CheckId } from "../wire/doctor.ts";
import { addresses } from "./addresses.ts";
import { agent } from "./agent.ts";
import { apiProxy } from "./api_proxy.ts";
import { apiServer } from "./api_server.ts";
import { capture } from "./capture.ts";
import { cgroup } from "./cgroup.ts";
import type { Check } from "./check.ts";
import { daemon } from "./daemon.ts";
import { helper } from "./helper.ts";
import { intercepts } from "./intercepts.ts";
import { kernel } from "./kernel.ts";
import { kubeconfig } from "./kubeconfig.ts";
import { leftovers } from "./leftovers.ts";
import { nameService } from "./name_service.ts";
import { nameservers } from "./nameservers.ts";
import type { CheckParts } from "./parts.ts";
import { platform } from "./platform.ts";
import { programProxy } from "./program_proxy.ts";
import { programs } from "./programs.ts";
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
  nameservers,
  "program-proxy": programProxy,
  kubeconfig,
  "api-proxy": apiProxy,
  "api-server": apiServer,
  rights,
  agent,
  daemon,
  helper,
  tunnel,
  capture,
  addresses,
  "short-names": shortNames,
  intercepts,
  leftovers,
} as const satisfies Readonly<Record<CheckId, Check<CheckParts>>>;

/** The same, in the order of {@linkcode checkIds}: those that others need come first. */
export const checks: readonly Check<CheckParts>[] = Object.values(registry);

/*
 * `pmz up` and `pmz status` show the warnings of these while programs use a cluster's names: each reads a few small
 * files at most.
 */

/** What the daemon can look at. */
export type DaemonParts = Pick<CheckParts, "capture" | "nameService" | "resolver" | "namespaces">;
export const daemonChecks: readonly Check<DaemonParts>[] = [capture, nameService, shortNames];

/** What only the shell knows that a command was typed in. */
export type ShellParts = Pick<CheckParts, "env" | "resolver" | "served">;
export const shellChecks: readonly Check<ShellParts>[] = [programProxy];
