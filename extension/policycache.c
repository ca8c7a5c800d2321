/* SPDX-License-Identifier: PostgreSQL */
/*
 * policycache.c: one compiled policy per backend, thrown away when somebody commits another.
 *
 * The tables' triggers call upstream_error_policy_changed(), which sends an invalidation of
 * upstream_error_rules: to this backend at the next command, to the others (and to standbys)
 * with the commit, to nobody at a rollback.  Every invalidation moves the counter below; a
 * policy is good while the counter stands where it stood before the policy was read.
 *
 * Three traps:
 *
 * - A transaction that repeats its reads would read the old rows again after it was told to
 *   forget them, and keep them for ever.  So they are read under the newest snapshot.  In
 *   parallel mode that is forbidden; a policy read there serves that snapshot alone.
 * - An invalidation that comes while the policy is being read must not be lost: the counter
 *   is read first.
 * - A change is visible to its own transaction a little before its invalidation is, and a
 *   rollback takes back only invalidations that had been carried out.  So a policy that was
 *   read in a transaction that has written is forgotten when any part of that is undone.
 */
#include "postgres.h"

#include "policycache.h"

#include "access/xact.h"
#include "callarena.h"
#include "common/hashfn.h"
#include "core/limits.h"
#include "policyread.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/memutils.h"
#include "utils/snapmgr.h"

#define RULES_TABLE "upstream_error_rules"
#define SNAPSHOT	"upstream_error_snapshot"

/* What is compared to tell that nothing else became visible; valid in parallel mode. */
typedef struct SnapshotKey
{
	TransactionId xmin;
	TransactionId xmax;
	uint32 n_running;
	int32 n_running_sub;
	CommandId command;
} SnapshotKey;

/* Where upstream_error_rules may have changed; the first policy is read at 1. */
static uint64 changes = 1;

static UePolicyHolder *cached; /* NULL: none; the last good one */
static uint64 cached_at;	   /* changes before it was read; 0: never */
static uint64 n_built;		   /* in this session */
static Size text_bytes;		   /* of the rows as text when they were read last */
static uint64 text_hash;
static char *problem;	 /* why the newest does not compile; NULL: it does */
static bool is_warned;	 /* and somebody has been told */
static bool is_own;		 /* read in a transaction that had written; still runs */
static bool is_parallel; /* good for that snapshot alone */
static SnapshotKey parallel_snapshot;
static bool is_reading; /* SQL that runs now is ours, and must make do with the old one */
static Oid rules_table; /* whose invalidations count */

static bool is_current(void);
static void refresh(Oid function);
static void read_policy(Oid function);
static bool is_same_text(UeSlice text);
static void keep_text(UeSlice text);
static void keep_problem(UeStatus status, const UePolicyProblem *why);
static void keep_policy(UePolicyHolder *holder);
static void forget_problem(void);
static void set_snapshot_key(SnapshotKey *key);
static void register_callbacks(void);
static void on_relcache(Datum arg, Oid relation);
static void on_transaction(XactEvent event, void *arg);
static void on_subtransaction(SubXactEvent event, SubTransactionId own,
							  SubTransactionId parent, void *arg);
static void undo_own(void);

const UePolicy *
ue_policycache_find(Oid function)
{
	AcceptInvalidationMessages();
	if (unlikely(!is_current()) && !is_reading)
		refresh(function);
	if (unlikely(problem != NULL && !is_warned))
	{
		is_warned = true;
		ereport(WARNING, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
						  errmsg("rules and masks of upstream_errors cannot be compiled"),
						  errdetail_internal("%s", problem),
						  errhint("The last ones that could be are in force, if there "
								  "were any in this session.")));
	}
	return cached == NULL ? NULL : cached->policy;
}

const UePolicy *
ue_policycache_require(Oid function, int sqlstate)
{
	AcceptInvalidationMessages();
	if (unlikely(!is_current()) && !is_reading)
		refresh(function);
	if (unlikely(problem != NULL))
		ereport(ERROR, (errcode(sqlstate),
						errmsg("rules and masks of upstream_errors cannot be compiled"),
						errdetail_internal("%s", problem)));
	return cached == NULL ? NULL : cached->policy;
}

const UeMaskSettings *
ue_policycache_mask(Oid function)
{
	return ue_policy_mask(
		ue_policycache_require(function, ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE));
}

uint64
ue_policycache_serial(void)
{
	AcceptInvalidationMessages();
	return changes;
}

void
ue_policycache_change(Oid function)
{
	Oid table = get_relname_relid(RULES_TABLE, get_func_namespace(function));

	if (!OidIsValid(table))
		elog(ERROR, "table " RULES_TABLE " of upstream_errors is missing");
	CacheInvalidateRelcacheByRelid(table);
	/* the invalidation is carried out only after this command */
	changes++;
}

static bool
is_current(void)
{
	SnapshotKey now;

	if (cached_at != changes)
		return false;
	if (!is_parallel)
		return true;
	if (!IsInParallelMode() || !ActiveSnapshotSet())
		return false;
	memset(&now, 0, sizeof(now));
	set_snapshot_key(&now);
	return memcmp(&now, &parallel_snapshot, sizeof(now)) == 0;
}

/* Not reentrant: the tables may have row policies or triggers that call upon us. */
static void
refresh(Oid function)
{
	register_callbacks();
	is_reading = true;
	PG_TRY();
	{
		read_policy(function);
	}
	PG_FINALLY();
	{
		is_reading = false;
	}
	PG_END_TRY();
}

/*
 * Everything is made in a child of the current context, which an error frees, and only the
 * finished policy moves to CacheMemoryContext.
 */
static void
read_policy(Oid function)
{
	uint64 began_at = changes;
	MemoryContext work =
		AllocSetContextCreate(CurrentMemoryContext, "upstream_errors policy to be",
							  ALLOCSET_DEFAULT_SIZES);
	MemoryContext caller = MemoryContextSwitchTo(work);
	Oid table = get_relname_relid(RULES_TABLE, get_func_namespace(function));
	UePolicyHolder *holder;
	UePolicyProblem why;
	UeCallArena call;
	UeSlice text;

	/* known before the first row is read, or a change in between would pass unnoticed */
	rules_table = table;
	ue_callarena_init(&call, UE_LIMIT_POLICY_MEMORY);
	text = ue_policyread_call(function, SNAPSHOT);
	if (!is_same_text(text))
	{
		UeStatus status = ue_policyread_compile(text, &call.arena, &holder, &why);

		if (status == UE_OK)
			keep_policy(holder);
		else
			keep_problem(status, &why);
		keep_text(text);
	}
	cached_at = began_at;
	is_own = TransactionIdIsValid(GetTopTransactionIdIfAny());
	is_parallel = IsInParallelMode();
	memset(&parallel_snapshot, 0, sizeof(parallel_snapshot));
	if (is_parallel)
		set_snapshot_key(&parallel_snapshot);
	ue_callarena_free(&call);
	MemoryContextSwitchTo(caller);
	MemoryContextDelete(work);
}

/*
 * Whoever commits a change has read it before, to check it, and hears of it once more with
 * all the others; and a message may be about something else.
 */
static bool
is_same_text(UeSlice text)
{
	return cached_at != 0 && text.len == text_bytes &&
		   hash_bytes_extended((const unsigned char *) text.ptr, (int) text.len, 0) ==
			   text_hash;
}

static void
keep_text(UeSlice text)
{
	text_bytes = text.len;
	text_hash = hash_bytes_extended((const unsigned char *) text.ptr, (int) text.len, 0);
}

/* The last good policy stays in force. */
static void
keep_problem(UeStatus status, const UePolicyProblem *why)
{
	char *text = ue_policyread_explain(status, why);

	text = MemoryContextStrdup(CacheMemoryContext, text);
	forget_problem();
	problem = text;
}

static void
keep_policy(UePolicyHolder *holder)
{
	UePolicyHolder *old = cached;

	forget_problem();
	/* pg_backend_memory_contexts tells what a session holds, and how often it was made */
	MemoryContextSetIdentifier(
		holder->context,
		MemoryContextStrdup(holder->context,
							psprintf("generation " INT64_FORMAT ", build " UINT64_FORMAT,
									 ue_policy_generation(holder->policy), ++n_built)));
	MemoryContextSetParent(holder->context, CacheMemoryContext);
	cached = holder;
	if (old != NULL)
		MemoryContextDelete(old->context);
}

static void
forget_problem(void)
{
	if (problem != NULL)
		pfree(problem);
	problem = NULL;
	is_warned = false;
}

/*
 * Two snapshots of a session with these in common see the same: what runs between xmin and
 * xmax can only become less, and what begins later lies behind xmax.
 */
static void
set_snapshot_key(SnapshotKey *key)
{
	Snapshot snapshot = GetActiveSnapshot();

	key->xmin = snapshot->xmin;
	key->xmax = snapshot->xmax;
	key->n_running = snapshot->xcnt;
	key->n_running_sub = snapshot->subxcnt;
	key->command = snapshot->curcid;
}

/* Once per backend: there is no way to take them back. */
static void
register_callbacks(void)
{
	static bool is_registered = false;

	if (is_registered)
		return;
	CacheRegisterRelcacheCallback(on_relcache, (Datum) 0);
	RegisterXactCallback(on_transaction, NULL);
	RegisterSubXactCallback(on_subtransaction, NULL);
	is_registered = true;
}

/* InvalidOid: so many messages came that nobody knows which. */
static void
on_relcache(Datum arg, Oid relation)
{
	if (relation == rules_table || relation == InvalidOid)
		changes++;
}

static void
on_transaction(XactEvent event, void *arg)
{
	switch (event)
	{
		case XACT_EVENT_ABORT:
		case XACT_EVENT_PARALLEL_ABORT:
		case XACT_EVENT_PREPARE:
			undo_own();
			break;
		case XACT_EVENT_COMMIT:
		case XACT_EVENT_PARALLEL_COMMIT:
			is_own = false;
			break;
		case XACT_EVENT_PRE_COMMIT:
		case XACT_EVENT_PARALLEL_PRE_COMMIT:
		case XACT_EVENT_PRE_PREPARE:
			break;
	}
}

static void
on_subtransaction(SubXactEvent event, SubTransactionId own, SubTransactionId parent,
				  void *arg)
{
	if (event == SUBXACT_EVENT_ABORT_SUB)
		undo_own();
}

static void
undo_own(void)
{
	if (!is_own)
		return;
	is_own = false;
	changes++;
}
