/*
 * The schema's history: forward only. A released migration is never edited; a change is a new one at the end. Each is
 * a list of statements, written once for both databases.
 */

export type Engine = 'sqlite' | 'postgres';

/** Statements per version; index 0 leads to version 1. */
export function migrations(engine: Engine): readonly (readonly string[])[] {
  return [createJournal(engine), addRuns(engine)];
}

export const LATEST_VERSION = migrations('sqlite').length;

function createJournal(engine: Engine): string[] {
  // Byte order, as SQLite's: a cursor taken on one machine means the same on another, whatever its locale.
  const text = engine === 'postgres' ? 'text collate "C" not null' : 'text not null';
  const whole = engine === 'postgres' ? 'bigint' : 'integer';
  const end = engine === 'sqlite' ? 'strict' : '';
  const place = `offer_id ${text}, cloud_cred_ref_id ${text}, location ${text}, sub_location ${text}, instance_type ${text}`;
  return [
    `create table journal_event (
       position ${whole} primary key, ref_id ${text}, seq ${whole} not null, type ${text}, at ${text},
       schema_version ${whole} not null, data ${text}, recorded_at ${text}, unique (ref_id, seq)) ${end}`,
    ...appendOnly(engine),

    `create table journal_instance (
       ref_id ${text} primary key, name ${text}, phase ${text}, lifecycle_status ${text}, desired ${text},
       provider ${text}, ${place}, cloud_id ${text}, price_amount ${text}, price_currency ${text},
       failure_kind ${text}, failure_message ${text}, debts ${whole} not null,
       since ${text}, created_at ${text}, updated_at ${text}, ready_at ${text}, terminated_at ${text},
       seq ${whole} not null, fault ${text}) ${end}`,
    // The orders people page by; then the filters that pick few of many, newest first inside each.
    'create index journal_instance_created on journal_instance (created_at, ref_id)',
    `create index journal_instance_open on journal_instance (created_at, ref_id) where phase <> 'terminated'`,
    'create index journal_instance_since on journal_instance (since, ref_id)',
    'create index journal_instance_updated on journal_instance (updated_at, ref_id)',
    'create index journal_instance_name on journal_instance (name, ref_id)',
    'create index journal_instance_phase on journal_instance (phase, created_at, ref_id)',
    'create index journal_instance_credential on journal_instance (cloud_cred_ref_id, created_at, ref_id)',
    'create index journal_instance_offer on journal_instance (instance_type, location, created_at, ref_id)',
    `create index journal_instance_failure on journal_instance (failure_kind, created_at, ref_id) where failure_kind <> ''`,
    `create index journal_instance_cloud_id on journal_instance (cloud_id) where cloud_id <> ''`,
    'create index journal_instance_debts on journal_instance (created_at, ref_id) where debts > 0',

    `create table journal_attempt (
       ref_id ${text}, attempt ${whole} not null, ${place}, outcome ${text}, kind ${text}, evidence ${text},
       cloud_id ${text}, remembered ${whole} not null, at ${text}, ended_at ${text}, took_ms ${whole}, primary key (ref_id, attempt)) ${end}`,
    'create index journal_attempt_at on journal_attempt (at, ref_id, attempt)',
    `create index journal_attempt_refused on journal_attempt (offer_id, ended_at) where outcome = 'refused' and remembered = 0`,

    `create table journal_machine (
       ref_id ${text}, cloud_id ${text}, attempt ${whole} not null, ${place}, provider ${text},
       adopted ${whole} not null, price_amount ${text}, price_currency ${text}, created_at ${text},
       running_ms ${whole}, ready_ms ${whole}, gone_at ${text}, gone_by ${text}, primary key (ref_id, cloud_id)) ${end}`,
    'create index journal_machine_offer on journal_machine (offer_id, created_at)',
    'create index journal_machine_created on journal_machine (created_at)',
    `create index journal_machine_alive on journal_machine (created_at) where gone_at = ''`,

    `create table journal_webhook (
       endpoint ${text} primary key, position ${whole} not null,
       lease_owner ${text} default '', lease_until ${whole} not null default 0) ${end}`,
    `create table journal_webhook_delivery (
       endpoint ${text}, position ${whole} not null, ref_id ${text}, status ${text}, tries ${whole} not null,
       due_at ${whole} not null, last_error ${text}, updated_at ${text}, primary key (endpoint, position)) ${end}`,
    'create index journal_webhook_delivery_lane on journal_webhook_delivery (endpoint, status, ref_id, position)',
  ];
}

/** Whose event each is, and a place for those that a reset run took the place of. */
function addRuns(engine: Engine): string[] {
  const text = engine === 'postgres' ? 'text collate "C" not null' : 'text not null';
  const whole = engine === 'postgres' ? 'bigint' : 'integer';
  const end = engine === 'sqlite' ? 'strict' : '';
  return [
    `alter table journal_event add column run_id ${text} default ''`,
    `alter table journal_event add column revision ${whole} not null default 0`,
    `alter table journal_event add column supersedes ${whole} not null default 0`,
    `create table journal_superseded (
       position ${whole} primary key, ref_id ${text}, seq ${whole} not null, type ${text}, at ${text},
       schema_version ${whole} not null, data ${text}, recorded_at ${text}, run_id ${text},
       revision ${whole} not null, supersedes ${whole} not null,
       superseded_at ${text}, superseded_by ${text}, reason ${text}) ${end}`,
    'create index journal_superseded_ref on journal_superseded (ref_id, position)',
    ...movable(engine),
  ];
}

/** An event may leave its table once it stands among the superseded ones, and those stay as they are for good. */
function movable(engine: Engine): string[] {
  if (engine === 'sqlite') {
    const refuse = (what: string) => `begin select raise(abort, '${what}'); end`;
    return [
      'drop trigger journal_event_no_delete',
      `create trigger journal_event_no_delete before delete on journal_event
         when not exists (select 1 from journal_superseded where position = old.position)
         ${refuse('the journal is append-only')}`,
      ...['update', 'delete'].map(
        (verb) =>
          `create trigger journal_superseded_no_${verb} before ${verb} on journal_superseded
             ${refuse('superseded events are kept')}`,
      ),
    ];
  }
  return [
    'drop trigger journal_event_append_only on journal_event',
    `create trigger journal_event_append_only before update or truncate on journal_event
       for each statement execute function journal_append_only()`,
    `create function journal_only_superseded() returns trigger language plpgsql as $$ begin
       if not exists (select 1 from journal_superseded where position = old.position) then
         raise exception 'the journal is append-only';
       end if;
       return old;
     end $$`,
    `create trigger journal_event_leaves before delete on journal_event
       for each row execute function journal_only_superseded()`,
    `create trigger journal_superseded_kept before update or delete or truncate on journal_superseded
       for each statement execute function journal_append_only()`,
  ];
}

/** The database itself refuses to change or delete an event, whoever asks. */
function appendOnly(engine: Engine): string[] {
  const message = 'the journal is append-only';
  if (engine === 'sqlite') {
    return ['update', 'delete'].map(
      (verb) =>
        `create trigger journal_event_no_${verb} before ${verb} on journal_event begin select raise(abort, '${message}'); end`,
    );
  }
  return [
    `create function journal_append_only() returns trigger language plpgsql as $$ begin raise exception '${message}'; end $$`,
    `create trigger journal_event_append_only before update or delete or truncate on journal_event
       for each statement execute function journal_append_only()`,
  ];
}
