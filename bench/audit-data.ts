import type { Client } from "pg";
import { AUDIT_STREAM } from "../contracts/audit.ts";

/**
 * Appends `count` events of about 600 bytes to an audit log, chained as `recordAudit` chains them, in one statement: a million in about
 * half a minute, where single commits would take an hour. As the owner, and the triggers of a row stay out of it.
 */
export async function generateAuditEvents(admin: Client, count: number): Promise<void> {
  await admin.query("BEGIN");
  await admin.query("SET LOCAL session_replication_role = replica");
  await admin.query("SELECT lock_audit_head($1)", [AUDIT_STREAM]);
  // Keys in the order of RFC 8785, because the bytes are what is hashed.
  await admin.query(`
    DO $$
    DECLARE
      head audit_head;
      event_at timestamptz := clock_timestamp();
      event_body bytea;
      event_hash bytea;
    BEGIN
      SELECT * INTO head FROM audit_head WHERE stream = '${AUDIT_STREAM}';
      FOR number IN head.seq + 1 .. head.seq + ${count} LOOP
        event_at := event_at + interval '1 millisecond';
        event_body := convert_to(format(
          '{"actor":"person/%s","at":"%s","body":{"dataDigest":"%s","gatesDigest":"%s","kind":"evaluation-recorded",'
          '"modelDigest":"%s","reportDigest":"%s","verdict":"pass","versionId":"%s"},"seq":%s,"stream":"${AUDIT_STREAM}",'
          '"subject":"evaluation/%s"}',
          md5((number % 50)::text), to_char(event_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
          repeat(md5((number % 977)::text), 2), repeat(md5((number % 31)::text), 2), repeat(md5(number::text), 2),
          repeat(md5((-number)::text), 2), md5(number::text)::uuid, number, md5((-number)::text)::uuid), 'UTF8');
        event_hash := sha256(head.hash || event_body);
        INSERT INTO audit_event (stream, seq, at, actor, kind, subject, body, previous_hash, hash)
        VALUES ('${AUDIT_STREAM}', number, event_at, 'person/' || md5((number % 50)::text), 'evaluation-recorded',
          'evaluation/' || md5((-number)::text)::uuid, event_body, head.hash, event_hash);
        head.hash := event_hash;
      END LOOP;
      UPDATE audit_head SET seq = head.seq + ${count}, hash = head.hash WHERE stream = '${AUDIT_STREAM}';
    END $$`);
  await admin.query("COMMIT");
  await admin.query("VACUUM (ANALYZE) audit_event");
}
