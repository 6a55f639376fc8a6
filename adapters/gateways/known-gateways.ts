import { withdrawnSchema } from "../../contracts/inference.ts";

/** The gateways this process last heard of: whom to ask directly while Postgres, which tells them everything else, cannot. */
export interface KnownGateways {
  /** Replaces what was known. */
  readonly remember: (addresses: readonly string[]) => void;
  /** Has each of them take the endpoint's canary back until its next epoch; never fails. */
  readonly withdraw: (endpoint: string) => Promise<WithdrawnAt>;
}

export interface WithdrawnAt {
  /** Addresses of gateways where the champion answers now. */
  readonly told: readonly string[];
  /** By address, why it could not be told: there the canary's share ends with its lease. */
  readonly deaf: ReadonlyMap<string, string>;
}

const ANSWER_WITHIN_MS = 2_000;

/** @param token of an operator, where gateways ask for one */
export function createKnownGateways(token: string | null): KnownGateways {
  let known: readonly string[] = [];
  const withdrawAt = async (address: string, endpoint: string): Promise<string | null> => {
    const url = new URL(`/v2/repository/models/${encodeURIComponent(endpoint)}/withdraw`, address);
    const response = await fetch(url, {
      method: "POST",
      ...(token !== null && { headers: { authorization: `Bearer ${token}` } }),
      // The token is for the gateway, and not for whom it names.
      redirect: "error",
      signal: AbortSignal.timeout(ANSWER_WITHIN_MS),
    });
    const text = await response.text();
    // Whoever got the address since is no gateway and took nothing back.
    return response.ok && withdrawnSchema.safeParse(JSON.parse(text)).success ? null : `${response.status} ${text}`;
  };
  return {
    remember: (addresses) => {
      known = [...new Set(addresses)];
    },
    withdraw: async (endpoint) => {
      const told: string[] = [];
      const deaf = new Map<string, string>();
      const tell = async (address: string) => {
        const problem = await withdrawAt(address, endpoint).catch((thrown: unknown) => String(thrown));
        if (problem === null) told.push(address);
        else deaf.set(address, problem);
      };
      await Promise.all(known.map(tell));
      return { told, deaf };
    },
  };
}
