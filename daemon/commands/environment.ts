import { chooseContainer, podOfService } from "../environment/service_pod.ts";
import { readSources } from "../environment/read_sources.ts";
import { filesOf } from "../../kube/environment/files.ts";
import { Gaps } from "../../kube/environment/gaps.ts";
import { variablesOf } from "../../kube/environment/variables.ts";
import type { EnvironmentRequest, ServiceEnvironment } from "../../wire/control.ts";
import type { ClusterRegistry } from "../clusters/registry.ts";

/**
 * Reads the environment of a Service's container, with the user's own rights. Its secrets are in the answer and nowhere else.
 * @throws {Failure} `not-found`, `usage` @throws {ApiError} where the Service or its pods may not be read
 */
export async function environment(
  request: EnvironmentRequest,
  clusters: ClusterRegistry,
): Promise<ServiceEnvironment> {
  await using looked = await clusters.look(request);
  const there = looked.there ?? await clusters.sameAs(looked.connection, request);
  const { api, name } = (there ?? looked).connection;
  const namespace = request.namespace ?? name.namespace;
  const found = await podOfService(api, { namespace, service: request.service });
  const { pod } = found;
  const container = chooseContainer(found, request);
  const { sources, gaps: unread } = await readSources(api, pod, container);
  const gaps = new Gaps();
  const variables = variablesOf(pod, container, sources, gaps);
  const { files, folders, absent } = filesOf(pod, container, variables, sources, gaps);
  return {
    cluster: name.context,
    namespace,
    service: request.service,
    ...(pod.name === undefined ? {} : { pod: pod.name }),
    container: container.name,
    variables: Object.fromEntries(variables),
    files: files.map(({ path, mode, content }) => ({ path, mode, content: content.toBase64() })),
    folders,
    otherMounts: absent,
    problems: [...unread, ...gaps.lines],
    ...(there ? { connected: there.connection.mode } : {}),
  };
}
