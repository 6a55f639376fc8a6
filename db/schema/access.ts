import { pgTable, text } from "drizzle-orm/pg-core";

import { instant } from "./columns.ts";

/** Teams whose rows a database login of a member sees. */
export const teamLogin = pgTable("team_login", {
  login: text("login").notNull(),
  team: text("team").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});
