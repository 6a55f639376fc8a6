/** An instant as people and logs of several places read it alike: `2026-11-23 06:18 UTC`. */
export const instantText = (instant: Date): string => `${instant.toISOString().slice(0, 16).replace("T", " ")} UTC`;
