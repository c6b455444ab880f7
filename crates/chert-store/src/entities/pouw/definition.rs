//! The rollups as sums over `work_contributions`: one text for each, used for live changes (the
//! submissions of a page, subtracted and added) and for the rebuild that `chert verify` compares
//! with (all of them, added).
//!
//! Zeros are written with as many digits after the point as the sums have (18 for credits), so that
//! live rows and rebuilt ones are equal to the byte.
//!
//! `$sign` is what every sum is multiplied with, `$of` which submissions are meant.

macro_rules! hourly {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT hour, account_key, identity_id, work_kind, count(*)",
            $sign,
            " AS tasks,
                    sum(credits)",
            $sign,
            " AS credits, sum(rewards)",
            $sign,
            " AS rewards
             FROM work_contributions WHERE counted",
            $of,
            "
             GROUP BY hour, account_key, identity_id, work_kind"
        )
    };
}

macro_rules! daily {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT day, account_key, identity_id, work_kind, task_type, project_slug, oracle_id,
                    count(*) FILTER (WHERE counted)", $sign, " AS validated,
                    count(*) FILTER (WHERE status = 3)", $sign, " AS rejected,
                    count(*) FILTER (WHERE status = 4)", $sign, " AS timed_out,
                    COALESCE(sum(credits) FILTER (WHERE counted), 0.000000000000000000)", $sign, " AS credits,
                    COALESCE(sum(rewards) FILTER (WHERE counted), 0)", $sign, " AS rewards,
                    COALESCE(sum(difficulty) FILTER (WHERE counted), 0.000000000000000000)", $sign, " AS difficulty,
                    COALESCE(sum(compute_ms) FILTER (WHERE counted), 0)", $sign, " AS compute_ms
             FROM work_contributions WHERE (counted OR status <> 2)", $of, "
             GROUP BY day, account_key, identity_id, work_kind, task_type, project_slug, oracle_id"
        )
    };
}

/// A kind's total (`task_type` and `project_slug` empty) and each task type of each project.
macro_rules! totals {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT work_kind, COALESCE(task_type, '') AS task_type,
                    COALESCE(project_slug, '') AS project_slug,
                    CASE WHEN task_type IS NOT NULL THEN max(project) END AS project,
                    count(*) FILTER (WHERE counted)",
            $sign,
            " AS validated,
                    count(*) FILTER (WHERE status = 3)",
            $sign,
            " AS rejected,
                    count(*) FILTER (WHERE status = 4)",
            $sign,
            " AS timed_out,
                    COALESCE(sum(credits) FILTER (WHERE counted), 0.000000000000000000)",
            $sign,
            " AS credits,
                    COALESCE(sum(rewards) FILTER (WHERE counted), 0)",
            $sign,
            " AS rewards,
                    COALESCE(sum(difficulty) FILTER (WHERE counted), 0.000000000000000000)",
            $sign,
            " AS difficulty
             FROM work_contributions WHERE (counted OR status <> 2)",
            $of,
            "
             GROUP BY GROUPING SETS ((work_kind), (work_kind, task_type, project_slug))"
        )
    };
}

macro_rules! oracle_hourly {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT oracle_id, hour, count(*) FILTER (WHERE status = 2)",
            $sign,
            " AS validated,
                    count(*) FILTER (WHERE status = 3)",
            $sign,
            " AS rejected,
                    count(*) FILTER (WHERE status = 4)",
            $sign,
            " AS timed_out,
                    COALESCE(sum(credits) FILTER (WHERE counted), 0.000000000000000000)",
            $sign,
            " AS credits,
                    COALESCE(sum(rewards) FILTER (WHERE counted), 0)",
            $sign,
            " AS rewards
             FROM work_contributions WHERE TRUE",
            $of,
            " GROUP BY oracle_id, hour"
        )
    };
}

macro_rules! latency {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT oracle_id, hour, latency_bucket AS bucket, count(*)",
            $sign,
            " AS decided
             FROM work_contributions WHERE latency_bucket IS NOT NULL",
            $of,
            "
             GROUP BY oracle_id, hour, latency_bucket"
        )
    };
}

/// Tasks, credits and rewards of the last so many whole hours.
macro_rules! window {
    ($sign:literal, $hours:literal) => {
        concat!(
            "COALESCE(sum(n) FILTER (WHERE hour > clock - ",
            $hours,
            " AND hour <= clock), 0)::bigint",
            $sign,
            ", COALESCE(sum(credits) FILTER (WHERE hour > clock - ",
            $hours,
            " AND hour <= clock), 0.000000000000000000)",
            $sign,
            ", COALESCE(sum(rewards) FILTER (WHERE hour > clock - ",
            $hours,
            " AND hour <= clock), 0)",
            $sign,
            ", "
        )
    };
}

/// Figures of accounts and identities over all time and over the windows of the clock.
macro_rules! scores {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT scope, work_kind, subject, sum(n)::bigint",
            $sign,
            ", sum(credits)",
            $sign,
            ", sum(rewards)",
            $sign,
            ", ",
            window!($sign, "24"),
            window!($sign, "48"),
            window!($sign, "168"),
            window!($sign, "192"),
            window!($sign, "720"),
            window!($sign, "744"),
            "
                    sum(credits * chert_rac_weight(hour / 24))",
            $sign,
            ", min(first_at), max(last_at)
             FROM (
                 SELECT hour, account_key, identity_id, work_kind, count(*) AS n,
                        sum(credits) AS credits, sum(rewards) AS rewards,
                        min(placed_s) AS first_at, max(placed_s) AS last_at
                 FROM work_contributions WHERE counted",
            $of,
            "
                 GROUP BY hour, account_key, identity_id, work_kind) h
             CROSS JOIN LATERAL (VALUES (0::smallint, uuid_send(account_key)),
                                        (1::smallint, identity_id)) AS x(scope, subject)
             CROSS JOIN (SELECT hour AS clock FROM pouw_clock) k
             WHERE subject <> '' GROUP BY scope, work_kind, subject"
        )
    };
}

/// Figures of identities, both kinds together.
macro_rules! stats {
    ($sign:literal, $of:literal) => {
        concat!(
            "SELECT identity_id, sum(nuw)::bigint", $sign, " AS total_nuw_completed,
                    sum(boinc_credits)", $sign, " AS total_boinc_credits,
                    sum(rewards)", $sign, " AS total_rewards,
                    sum(pending)", $sign, " AS pending_rewards,
                    jsonb_object_agg(task_type, jsonb_build_object('count', n", $sign, ",
                        'credits', trim_scale(credits", $sign, ")::text,
                        'rewards', trim_scale(rewards", $sign, ")::text)) AS work_breakdown,
                    min(first_at) AS active_since, max(last_at) AS last_contribution
             FROM (
                 SELECT identity_id, task_type, count(*) AS n, sum(credits) AS credits,
                        sum(rewards) AS rewards, count(*) FILTER (WHERE work_kind = 0) AS nuw,
                        COALESCE(sum(credits) FILTER (WHERE work_kind = 1), 0.000000000000000000) AS boinc_credits,
                        COALESCE(sum(rewards) FILTER (WHERE pending), 0) AS pending,
                        min(placed_s) AS first_at, max(placed_s) AS last_at
                 FROM work_contributions WHERE counted AND identity_id <> ''", $of, "
                 GROUP BY identity_id, task_type) t
             GROUP BY identity_id"
        )
    };
}

macro_rules! score_columns {
    () => {
        "scope, work_kind, subject, tasks_all, credits_all, rewards_all, tasks_24,
         credits_24, rewards_24, tasks_48, credits_48, rewards_48, tasks_168, credits_168,
         rewards_168, tasks_192, credits_192, rewards_192, tasks_720, credits_720,
         rewards_720, tasks_744, credits_744, rewards_744, rac_weight, first_at, last_at"
    };
}

pub(super) use {
    daily, hourly, latency, oracle_hourly, score_columns, scores, stats, totals, window,
};
