import { causeChain } from "../../errors/causes.ts";
import { ApiError } from "../../kube/client/api_error.ts";
import type { Transport } from "../../net/transport.ts";
import type { AgentPlace, DialFailure } from "../protocol.ts";
import type { DialAgent } from "./dial_agent.ts";

/** Asks where to dial, and says why the last dial didn't get past the API server. */
export type AskPlace = (after: { readonly after?: DialFailure }) => Promise<AgentPlace>;

/** Dials where it is told to, asking again each time, and remembers for the next time why a dial failed. */
export function placeDialler(dial: DialAgent): (ask: AskPlace, signal: AbortSignal) => Promise<Transport> {
  let after: DialFailure | undefined;
  return async (ask, signal) => {
    const place = await ask(after ? { after } : {});
    after = undefined;
    try {
      return await dial(place, signal);
    } catch (error) {
      after = dialFailureOf(error);
      throw error;
    }
  };
}

function dialFailureOf(error: unknown): DialFailure | undefined {
  const refusal = causeChain(error).find((each) => each instanceof ApiError);
  return refusal?.status === 401 ? "unauthorized" : refusal?.status === 0 ? "unreachable" : undefined;
}
