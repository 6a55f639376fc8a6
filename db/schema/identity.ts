import { bigint, pgTable, text, uuid } from "drizzle-orm/pg-core";

import { IDENTITY_MODES, PRINCIPAL_KINDS, ROLES, scopeSchema, statementSchema } from "../../contracts/identity.ts";
import { jsonColumn } from "../json.ts";
import { bytes, instant } from "./columns.ts";

/** Who somebody is, apart from everything that is kept for ever, so that it can be erased. */
export const personName = pgTable("person_name", {
  ref: text("ref").primaryKey(),
  salt: bytes("salt").notNull(),
  name: text("name").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

/** What somebody wrote, likewise. */
export const personText = pgTable("person_text", {
  ref: text("ref").primaryKey(),
  author: text("author").notNull(),
  salt: bytes("salt").notNull(),
  content: text("content").notNull(),
  createdAt: instant("created_at").notNull().defaultNow(),
});

export const principal = pgTable("principal", {
  ref: text("ref").primaryKey(),
  kind: text("kind", { enum: PRINCIPAL_KINDS }).notNull(),
  registeredBy: text("registered_by").notNull(),
  at: instant("at").notNull().defaultNow(),
});

/** The newest one of a principal counts. */
export const teamMembership = pgTable("team_membership", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  principal: text("principal").notNull(),
  team: text("team"),
  setBy: text("set_by").notNull(),
  at: instant("at").notNull().defaultNow(),
});

export const roleGrant = pgTable("role_grant", {
  id: uuid("id").primaryKey(),
  principal: text("principal").notNull(),
  role: text("role", { enum: ROLES }).notNull(),
  model: text("model"),
  environment: text("environment"),
  grantedBy: text("granted_by").notNull(),
  reason: text("reason").notNull(),
  at: instant("at").notNull().defaultNow(),
});

export const roleRevocation = pgTable("role_revocation", {
  grant: uuid("role_grant").primaryKey(),
  revokedBy: text("revoked_by").notNull(),
  reason: text("reason").notNull(),
  at: instant("at").notNull().defaultNow(),
});

export const apiToken = pgTable("api_token", {
  id: text("id").primaryKey(),
  principal: text("principal").notNull(),
  label: text("label").notNull(),
  hash: text("hash").notNull(),
  publicKey: text("public_key").notNull(),
  scope: jsonColumn("scope", scopeSchema).notNull(),
  expiresAt: instant("expires_at").notNull(),
  issuedBy: text("issued_by").notNull(),
  reason: text("reason").notNull(),
  at: instant("at").notNull().defaultNow(),
});

export const tokenRevocation = pgTable("token_revocation", {
  token: text("token").primaryKey(),
  revokedBy: text("revoked_by").notNull(),
  reason: text("reason").notNull(),
  at: instant("at").notNull().defaultNow(),
});

/** A token, or a role, that was in the wrong hands. */
export const compromise = pgTable("compromise", {
  id: uuid("id").primaryKey(),
  token: text("token"),
  grant: uuid("role_grant"),
  toldBy: text("told_by").notNull(),
  reason: text("reason").notNull(),
  at: instant("at").notNull().defaultNow(),
});

export const signedStatement = pgTable("signed_statement", {
  nonce: text("nonce").primaryKey(),
  token: text("token").notNull(),
  digest: text("digest").notNull(),
  statement: jsonColumn("statement", statementSchema).notNull(),
  signature: text("signature").notNull(),
  usedFor: text("used_for").notNull(),
  at: instant("at").notNull().defaultNow(),
});

/** The newest one counts; without any, people are believed. */
export const identitySetting = pgTable("identity_setting", {
  id: bigint("id", { mode: "number" }).primaryKey().generatedAlwaysAsIdentity(),
  mode: text("mode", { enum: IDENTITY_MODES }).notNull(),
  setBy: text("set_by").notNull(),
  reason: text("reason").notNull(),
  at: instant("at").notNull().defaultNow(),
});
