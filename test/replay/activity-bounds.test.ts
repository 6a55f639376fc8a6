import { describe, expect, it } from "vitest";

import { QUEUES } from "../../contracts/names.ts";
import { createStubActivities } from "../workflow/stub-activities.ts";
import { loadHistories, type Duration } from "./histories.ts";

const scheduled = [...(await loadHistories()).values()]
  .flat()
  .flatMap(({ history }) => history.events)
  .flatMap((event) => event.activityTaskScheduledEventAttributes ?? []);
const seconds = ({ seconds: whole = 0, nanos = 0 }: Duration): number => whole + nanos / 1e9;

describe("activities as the server was asked for them", () => {
  it("are all there: each activity is used by a recorded workflow", () => {
    const used = new Set(scheduled.map(({ activityType }) => activityType.name));
    expect([...used].sort()).toEqual(Object.keys(createStubActivities().activities).sort());
  });

  // The server fills a bound that is missing with the other one, so that an equal pair is a forgotten one.
  it.each(scheduled)("$activityType.name is bounded per attempt and, with room for a retry, in total", (activity) => {
    expect(seconds(activity.startToCloseTimeout)).toBeGreaterThan(0);
    expect(seconds(activity.scheduleToCloseTimeout)).toBeGreaterThan(seconds(activity.startToCloseTimeout));
  });

  it("that run on the compute queue heartbeat, so that a dead worker is told from a slow step", () => {
    const heavy = scheduled.filter(({ taskQueue }) => taskQueue.name === QUEUES.compute);
    expect(heavy.length).toBeGreaterThan(0);
    for (const activity of heavy) {
      expect(seconds(activity.heartbeatTimeout)).toBeGreaterThan(0);
      expect(seconds(activity.heartbeatTimeout)).toBeLessThan(seconds(activity.startToCloseTimeout));
    }
  });
});
