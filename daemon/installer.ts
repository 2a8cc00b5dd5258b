import type { Api } from "../kube/client/api.ts";
import type { AgentComponent, AgentInstallOptions, Component, InstallStep } from "../wire/installer.ts";

/**
 * What the daemon asks of the installer, which main.ts hands over (install/installer.ts). Every method may throw kube's ApiError;
 * `install` and `ready` throw an Error that says why a component doesn't become ready.
 */
export interface AgentInstaller {
  status(api: Api, components: readonly Component[]): Promise<AgentComponent[]>;
  install(
    api: Api,
    components: readonly Component[],
    options: AgentInstallOptions,
    onStep: InstallStep,
    signal: AbortSignal,
  ): Promise<void>;
  /** Waits until a component that is starting is ready. */
  ready(api: Api, component: Component, onStep: InstallStep, signal: AbortSignal): Promise<void>;
  uninstall(
    api: Api,
    components: readonly Component[],
    onStep: InstallStep,
    signal: AbortSignal,
  ): Promise<void>;
  /** YAML for `kubectl apply -f -`. */
  manifests(components: readonly Component[], options: AgentInstallOptions): Promise<string>;
}
