/** A routing epoch of the model `flights` as its columns. Shares are basis points. */
export const epochOf = (
  endpoint: string,
  epoch: number,
  served: { champion?: string; canary?: string; canaryShare?: number; championShare?: number; rollout?: string },
) => ({
  endpoint,
  epoch,
  model: "flights",
  champion_version: served.champion ?? null,
  canary_version: served.canary ?? null,
  champion_share: served.championShare ?? 10_000 - (served.canaryShare ?? 0),
  canary_share: served.canaryShare ?? 0,
  salt: "s",
  rollout: served.rollout ?? null,
  reason: "r",
  created_by: "eve",
});
