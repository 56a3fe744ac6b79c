// Made from api/asyncapi.json by 'npm run schema': do not change it by hand.

export type paths = Record<string, never>;
export type webhooks = Record<string, never>;
export interface components {
    schemas: {
        /**
         * @description What an announcement is about.
         * @enum {string}
         */
        AboutData: "maintenance" | "closing" | "news";
        /** @description The channel is open: everything after the cursor follows. */
        AdminResumed: {
            /** @enum {string} */
            channel: "admin";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: true;
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description The channel is open: everything after the cursor follows. */
        AdminState: {
            /** @enum {string} */
            channel: "admin";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: false;
            /** @description Everything as it is at the position. */
            state: {
                items: components["schemas"]["LogData"][];
            };
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description What happened on a channel. */
        BalanceUpdate: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["WalletData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "balance_update";
        };
        /** @description A leaderboard. */
        BoardData: {
            /** Format: int64 */
            event_id: number;
            /** @description Whether scores no longer change. */
            frozen: boolean;
            /** @description When the occurrence began. */
            occurrence_at: string;
            /**
             * Format: int64
             * @description How many players have a score.
             */
            players: number;
            top: components["schemas"]["PlaceData"][];
        };
        /** @description What is offered, or is not any more. */
        CatalogData: components["schemas"]["CatalogItem"] | components["schemas"]["GoneItem"];
        /** @description What is on sale. */
        CatalogItem: {
            currency: string;
            discount_ends_at: string | null;
            /** Format: int32 */
            discount_percent: number;
            /** Format: int64 */
            gold: number;
            /** Format: int64 */
            id: number;
            /** @enum {string} */
            kind: "pack";
            min_rank: string;
            name: string;
            name_en: string;
            /** @enum {boolean} */
            on_sale: true;
            /**
             * Format: int64
             * @description Of one, before discount.
             */
            price_cents: number;
            sku: string;
            /** Format: int32 */
            version: number;
        } | {
            /** Format: int64 */
            id: number;
            /** @enum {string} */
            kind: "benefit";
            limit: null | components["schemas"]["LimitView"];
            min_rank: string;
            name: string;
            name_en: string;
            /** @enum {boolean} */
            on_sale: true;
            /** Format: int64 */
            price_gold: number;
            sku: string;
            /** Format: int32 */
            valid_days: number | null;
            /** Format: int32 */
            version: number;
        } | {
            currency: string;
            ends_at: string;
            /** Format: int64 */
            gold: number;
            /** @description Its code. */
            id: string;
            /** @enum {string} */
            kind: "package";
            limit: null | components["schemas"]["LimitView"];
            name: string;
            name_en: string;
            /** @enum {boolean} */
            on_sale: true;
            /** Format: int64 */
            price_cents: number;
            /**
             * Format: int64
             * @description Any number, if `null`.
             */
            remaining_stock: number | null;
            starts_at: string;
        };
        /**
         * @description What can be on sale.
         * @enum {string}
         */
        CatalogKind: "pack" | "benefit" | "package";
        /** @description The channel is open: everything after the cursor follows. */
        CatalogResumed: {
            /** @enum {string} */
            channel: "catalog";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: true;
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description The channel is open: everything after the cursor follows. */
        CatalogState: {
            /** @enum {string} */
            channel: "catalog";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: false;
            /** @description Everything as it is at the position. */
            state: {
                items: components["schemas"]["CatalogItem"][];
            };
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description What happened on a channel. */
        CatalogUpdate: {
            /** @enum {string} */
            channel: "catalog";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["CatalogData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "catalog_update";
        };
        /** @description What a day of a streak pays. */
        DayData: {
            /** Format: int64 */
            gold: number;
            /** Format: int64 */
            xp: number;
        };
        /** @description The channel cannot be had; the feed stays open. */
        Error: {
            /** @description As the client named it. */
            channel: string;
            /** @description Stable, for programs. */
            code: string;
            detail: string;
            /** @enum {string} */
            type: "error";
        };
        /** @description How a player stands in an event: what is not there, the message does not say. */
        EventData: {
            claimed?: boolean;
            /** Format: int64 */
            event_id: number;
            /** @description Always true. */
            joined: boolean;
            occurrence_at: string;
            /** Format: int64 */
            progress?: number;
            /**
             * Format: int32
             * @description Which of its requirements, from 0.
             */
            requirement?: number;
            /**
             * Format: int64
             * @description On its leaderboard.
             */
            score?: number;
            /** Format: int64 */
            target?: number;
            /** Format: int64 */
            user_id: number;
        };
        /** @description What happened on a channel. */
        EventProgress: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["EventData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "event_progress";
        };
        /** @description The channel is open: everything after the cursor follows. */
        EventsResumed: {
            /** @enum {string} */
            channel: "events";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: true;
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description The channel is open: everything after the cursor follows. */
        EventsState: {
            /** @enum {string} */
            channel: "events";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: false;
            /** @description Everything as it is at the position. */
            state: {
                items: components["schemas"]["LiveEventData"][];
            };
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description What happened on a channel. */
        EventUpdate: {
            /** @enum {string} */
            channel: "events";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["LiveEventData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "event_update";
        };
        /** @description All that a client says. */
        FromClient: components["schemas"]["Ping"] | components["schemas"]["Pong"] | components["schemas"]["Subscribe"] | components["schemas"]["Unsubscribe"];
        /** @description All that the server says. */
        FromServer: components["schemas"]["AdminResumed"] | components["schemas"]["AdminState"] | components["schemas"]["BalanceUpdate"] | components["schemas"]["CatalogResumed"] | components["schemas"]["CatalogState"] | components["schemas"]["CatalogUpdate"] | components["schemas"]["Error"] | components["schemas"]["EventProgress"] | components["schemas"]["EventUpdate"] | components["schemas"]["EventsResumed"] | components["schemas"]["EventsState"] | components["schemas"]["Hello"] | components["schemas"]["LeaderboardState"] | components["schemas"]["LeaderboardUpdate"] | components["schemas"]["LogEvent"] | components["schemas"]["Mark"] | components["schemas"]["MeResumed"] | components["schemas"]["MeState"] | components["schemas"]["MissionProgress"] | components["schemas"]["Ping"] | components["schemas"]["Pong"] | components["schemas"]["ProfileUpdate"] | components["schemas"]["PurchaseUpdate"] | components["schemas"]["RewardGranted"] | components["schemas"]["StreakUpdate"] | components["schemas"]["System"] | components["schemas"]["SystemState"] | components["schemas"]["Unsubscribed"];
        /** @description Something that is no longer there. */
        GoneItem: {
            /** @description The product's number, or the package's code. */
            id: number | string;
            kind: components["schemas"]["CatalogKind"];
            /** @enum {boolean} */
            on_sale: false;
        };
        /** @description The first message of all. */
        Hello: {
            /**
             * Format: int64
             * @description Where the log is.
             */
            head: number;
            /** @description What this connection is called in the service's logs. */
            session: string;
            /** @enum {string} */
            type: "hello";
        };
        /** @description What has become of an item. */
        ItemData: {
            item_id: string;
            status: components["schemas"]["ItemStatus"];
        };
        /**
         * @description What has become of it.
         * @enum {string}
         */
        ItemStatus: "purchased" | "used" | "expired" | "refunded";
        /** @description The channel is open: everything after the cursor follows. */
        LeaderboardState: {
            channel: string;
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: false;
            /** @description Everything as it is at the position. */
            state: {
                items: components["schemas"]["BoardData"][];
            };
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description A contest within an event. */
        LeaderboardTermsView: {
            /** @description What is scored. */
            counter: string;
            /** @description What places pay. */
            tiers: components["schemas"]["TierView"][];
        };
        /** @description What happened on a channel. */
        LeaderboardUpdate: {
            channel: string;
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["BoardData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "leaderboard_update";
        };
        /** @description So many in each period. */
        LimitView: {
            /**
             * Format: int32
             * @description How many.
             */
            count: number;
            /** @description `ever`, `month`, `week` or `day`, in UTC. */
            per: string;
        };
        /** @description An event that players join. */
        LiveEventData: {
            auto_claim: boolean;
            /** Format: int32 */
            capacity: number | null;
            ends_at: string | null;
            /** Format: int64 */
            id: number;
            leaderboard: null | components["schemas"]["LeaderboardTermsView"];
            min_rank: string;
            name: string;
            name_en: string;
            /** Format: int32 */
            priority: number;
            recurrence: null | components["schemas"]["RecurrenceView"];
            requirements: components["schemas"]["RequirementView"][];
            rewards: components["schemas"]["RewardsView"];
            seats: null | components["schemas"]["SeatsData"];
            segment: string;
            starts_at: string;
            /** @description `published`, `paused` or `ended`. */
            status: string;
            type: string;
            /** Format: int32 */
            version: number;
        };
        /** @description An event as it stands in the log. */
        LogData: {
            aggregate_id: string;
            /** @description The stream's family, and which stream. */
            aggregate_type: string;
            at: string;
            event_type: string;
            /** @description Who did it, and on what occasion. */
            metadata: {
                [key: string]: string;
            };
            /** @description As it is stored. */
            payload: Record<string, unknown>;
        };
        /** @description What happened on a channel. */
        LogEvent: {
            /** @enum {string} */
            channel: "admin";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["LogData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "log_event";
        };
        /** @description Nothing more has happened on the channel up to here. */
        Mark: {
            channel: string;
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /** @enum {string} */
            type: "mark";
        };
        /** @description The channel is open: everything after the cursor follows. */
        MeResumed: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: true;
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description The channel is open: everything after the cursor follows. */
        MeState: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: false;
            state: components["schemas"]["WalletData"];
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description How far a mission is: what is not there, the message does not say. */
        MissionData: {
            claimed: boolean;
            completed: boolean;
            /** Format: int64 */
            mission_id: number;
            /** @description When its period began, or `once`. */
            period: string;
            /** Format: int64 */
            progress?: number;
            /** Format: int64 */
            target?: number;
            /** Format: int64 */
            user_id: number;
        };
        /** @description What happened on a channel. */
        MissionProgress: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["MissionData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "mission_progress";
        };
        /** @description Answered by a pong, or the client counts as gone after a while. */
        Ping: {
            /** @enum {string} */
            type: "ping";
        };
        /** @description A place of a leaderboard. */
        PlaceData: {
            nickname: string | null;
            /** Format: int64 */
            place: number;
            /** Format: int64 */
            score: number;
            /** Format: int64 */
            user_id: number;
        };
        /** @description The answer to a ping. */
        Pong: {
            /** @enum {string} */
            type: "pong";
        };
        /**
         * @description What has changed: what has not, the message does not say. Names and addresses are personal: that they have
         *     changed is told, what they are now is read.
         */
        ProfileData: {
            rank?: string;
            /** Format: int64 */
            user_id: number;
        };
        /** @description What happened on a channel. */
        ProfileUpdate: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["ProfileData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "profile_update";
        };
        /** @description What an event says about a purchase: what is not there, it does not say. */
        PurchaseData: {
            /**
             * Format: int64
             * @description What is charged, all in all.
             */
            amount_cents?: number;
            charge_id?: string;
            /**
             * Format: int64
             * @description What the bank took back.
             */
            charged_back_cents?: number;
            /**
             * Format: int64
             * @description Gold that was credited.
             */
            gold_granted?: number;
            /**
             * Format: int64
             * @description Gold that went the other way again, this time; what became a debt included.
             */
            gold_reversed?: number;
            /**
             * Format: int64
             * @description Gold that was paid.
             */
            gold_spent?: number;
            /** @description Items that it brought, or one that has changed. */
            items?: components["schemas"]["ItemData"][];
            /** @description What was bought. */
            kind?: components["schemas"]["PurchaseKind"];
            /**
             * Format: int64
             * @description What was taken after the purchase had ended otherwise, and was given back.
             */
            late_capture_cents?: number;
            /** @description The product's number, or the package's code. */
            product_id?: number | string;
            /** Format: int32 */
            quantity?: number;
            /** @description Why it failed or was voided. */
            reason_code?: string;
            receipt_code?: string;
            /**
             * Format: int64
             * @description How much of a refund is to come.
             */
            refund_pending_cents?: number;
            /**
             * Format: int64
             * @description What the provider has given back, all in all. Only where that is the whole amount, all of the
             *     purchase is refunded.
             */
            refunded_cents?: number;
            /** @description Where it stands. */
            status?: components["schemas"]["PurchaseStatus"];
        };
        /**
         * @description What a purchase is for.
         * @enum {string}
         */
        PurchaseKind: "gold" | "item";
        /**
         * @description Where a purchase stands.
         * @enum {string}
         */
        PurchaseStatus: "pending" | "completed" | "failed" | "voided" | "refunded" | "charged_back";
        /** @description What happened on a channel. */
        PurchaseUpdate: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["PurchaseData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "purchase_update";
        };
        /** @description When an event comes again. */
        RecurrenceView: {
            /** @description When it begins: minute, hour, day of the month, month, day of the week. */
            cron: string;
            /**
             * Format: int32
             * @description How long it is on; until it begins again, if `null`.
             */
            minutes?: number | null;
            /** @description The zone whose clocks count, such as `Asia/Seoul`. */
            time_zone: string;
        };
        /** @description What is needed of something. */
        RequirementView: {
            /** @description What is counted. */
            counter: string;
            /**
             * Format: int64
             * @description How much of it.
             */
            target: number;
        };
        /** @description A reward that was paid. */
        RewardData: {
            /** Format: int64 */
            gold: number;
            /**
             * Format: int64
             * @description Of which event or mission.
             */
            id?: number;
            items: components["schemas"]["RewardItemData"][];
            kind: components["schemas"]["RewardKind"];
            /** Format: int64 */
            level: number;
            receipt_code: string;
            /** Format: int64 */
            user_id: number;
            /** Format: int64 */
            vip_points: number;
            /**
             * Format: int64
             * @description Experience that it gave.
             */
            xp: number;
            /**
             * Format: int64
             * @description All experience after it, and the level that goes with it.
             */
            xp_after: number;
        };
        /** @description What happened on a channel. */
        RewardGranted: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["RewardData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "reward_granted";
        };
        /** @description An item of a reward. */
        RewardItemData: {
            item_id: string;
            /** Format: int64 */
            product_id: number;
        };
        /** @description Some of one benefit. */
        RewardItemView: {
            /** @description In the inventory, once they were paid. */
            item_ids?: string[];
            /** Format: int64 */
            product_id: number;
            /** Format: int32 */
            quantity: number;
        };
        /**
         * @description What a reward was for.
         * @enum {string}
         */
        RewardKind: "event" | "mission" | "leaderboard" | "gift";
        /** @description What is promised, or was paid. */
        RewardsView: {
            /** Format: int64 */
            gold: number;
            /** @description Benefits for the inventory. */
            items: components["schemas"]["RewardItemView"][];
            /** Format: int64 */
            vip_points: number;
            /**
             * Format: int64
             * @description Experience.
             */
            xp: number;
        };
        /** @description Seats that are taken. */
        SeatsData: {
            occurrence_at: string;
            /** Format: int32 */
            taken: number;
        };
        /** @description A day of the streak that was claimed: where it stands now. */
        StreakData: {
            /** Format: int64 */
            awarded_gold: number;
            /** Format: int64 */
            awarded_xp: number;
            claimed_at: string;
            /** @description Always true. */
            claimed_today: boolean;
            /** Format: int64 */
            level: number;
            next: components["schemas"]["DayData"];
            /** Format: int32 */
            streak_count: number;
            today: components["schemas"]["DayData"];
            /** Format: int64 */
            user_id: number;
            /**
             * Format: int64
             * @description All experience, and the level that goes with it.
             */
            xp: number;
        };
        /** @description What happened on a channel. */
        StreakUpdate: {
            /** @enum {string} */
            channel: "me";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["StreakData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "streak_update";
        };
        /** @description It wants a channel: everything after the cursor, or the present state. */
        Subscribe: {
            /** @description Which. */
            channel: string;
            /** @description The last cursor that was told of this channel. */
            since?: string | null;
            /** @enum {string} */
            type: "subscribe";
        };
        /** @description What happened on a channel. */
        System: {
            /** @enum {string} */
            channel: "system";
            /** @description Where to go on: opaque. */
            cursor: string;
            data: components["schemas"]["SystemData"];
            /**
             * Format: int64
             * @description The number in the log of the event that it is about.
             */
            position: number;
            /** @enum {string} */
            type: "system";
        };
        /** @description Something that concerns everybody who is here. */
        SystemData: {
            /** @enum {string} */
            kind: "online";
            /**
             * Format: int64
             * @description Players, on all nodes together.
             */
            online: number;
        } | {
            about: components["schemas"]["AboutData"];
            /** @description Until when; until it is taken back, if `null`. */
            ends_at: string | null;
            /** Format: int64 */
            id: number;
            /** @enum {string} */
            kind: "announcement";
            published_at: string;
            text: string;
            text_en: string;
        } | {
            /** Format: int64 */
            id: number;
            /** @enum {string} */
            kind: "announcement_over";
        };
        /** @description The channel is open: everything after the cursor follows. */
        SystemState: {
            /** @enum {string} */
            channel: "system";
            /** @description Where to go on: opaque. */
            cursor: string;
            /** Format: int64 */
            position: number;
            /**
             * @description Whether it goes on where the client was; if not, the state is all that counts.
             * @enum {boolean}
             */
            recovered: false;
            /** @description Everything as it is at the position. */
            state: {
                items: components["schemas"]["SystemData"][];
            };
            /** @enum {string} */
            type: "subscribed";
        };
        /** @description What some places pay. */
        TierView: {
            /**
             * Format: int32
             * @description The last place of the tier.
             */
            last_place: number;
            rewards: components["schemas"]["RewardsView"];
        };
        /** @description It does not want a channel any more. */
        Unsubscribe: {
            /** @description Which. */
            channel: string;
            /** @enum {string} */
            type: "unsubscribe";
        };
        /** @description The channel is closed. */
        Unsubscribed: {
            channel: string;
            /** @enum {string} */
            type: "unsubscribed";
        };
        /** @description A whole balance: clients replace what they show, they never add. */
        WalletData: {
            /** Format: int64 */
            debt: number;
            /** Format: int64 */
            gold: number;
            /** Format: int64 */
            gold_free: number;
            /** Format: int64 */
            gold_paid: number;
            /** @description What changed it. */
            kind?: string;
            /** Format: int64 */
            user_id: number;
            /** Format: int64 */
            vip_points: number;
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
export type AboutData = components['schemas']['AboutData'];
export type AdminResumed = components['schemas']['AdminResumed'];
export type AdminState = components['schemas']['AdminState'];
export type BalanceUpdate = components['schemas']['BalanceUpdate'];
export type BoardData = components['schemas']['BoardData'];
export type CatalogData = components['schemas']['CatalogData'];
export type CatalogItem = components['schemas']['CatalogItem'];
export type CatalogKind = components['schemas']['CatalogKind'];
export type CatalogResumed = components['schemas']['CatalogResumed'];
export type CatalogState = components['schemas']['CatalogState'];
export type CatalogUpdate = components['schemas']['CatalogUpdate'];
export type DayData = components['schemas']['DayData'];
export type Error = components['schemas']['Error'];
export type EventData = components['schemas']['EventData'];
export type EventProgress = components['schemas']['EventProgress'];
export type EventsResumed = components['schemas']['EventsResumed'];
export type EventsState = components['schemas']['EventsState'];
export type EventUpdate = components['schemas']['EventUpdate'];
export type FromClient = components['schemas']['FromClient'];
export type FromServer = components['schemas']['FromServer'];
export type GoneItem = components['schemas']['GoneItem'];
export type Hello = components['schemas']['Hello'];
export type ItemData = components['schemas']['ItemData'];
export type ItemStatus = components['schemas']['ItemStatus'];
export type LeaderboardState = components['schemas']['LeaderboardState'];
export type LeaderboardTermsView = components['schemas']['LeaderboardTermsView'];
export type LeaderboardUpdate = components['schemas']['LeaderboardUpdate'];
export type LimitView = components['schemas']['LimitView'];
export type LiveEventData = components['schemas']['LiveEventData'];
export type LogData = components['schemas']['LogData'];
export type LogEvent = components['schemas']['LogEvent'];
export type Mark = components['schemas']['Mark'];
export type MeResumed = components['schemas']['MeResumed'];
export type MeState = components['schemas']['MeState'];
export type MissionData = components['schemas']['MissionData'];
export type MissionProgress = components['schemas']['MissionProgress'];
export type Ping = components['schemas']['Ping'];
export type PlaceData = components['schemas']['PlaceData'];
export type Pong = components['schemas']['Pong'];
export type ProfileData = components['schemas']['ProfileData'];
export type ProfileUpdate = components['schemas']['ProfileUpdate'];
export type PurchaseData = components['schemas']['PurchaseData'];
export type PurchaseKind = components['schemas']['PurchaseKind'];
export type PurchaseStatus = components['schemas']['PurchaseStatus'];
export type PurchaseUpdate = components['schemas']['PurchaseUpdate'];
export type RecurrenceView = components['schemas']['RecurrenceView'];
export type RequirementView = components['schemas']['RequirementView'];
export type RewardData = components['schemas']['RewardData'];
export type RewardGranted = components['schemas']['RewardGranted'];
export type RewardItemData = components['schemas']['RewardItemData'];
export type RewardItemView = components['schemas']['RewardItemView'];
export type RewardKind = components['schemas']['RewardKind'];
export type RewardsView = components['schemas']['RewardsView'];
export type SeatsData = components['schemas']['SeatsData'];
export type StreakData = components['schemas']['StreakData'];
export type StreakUpdate = components['schemas']['StreakUpdate'];
export type Subscribe = components['schemas']['Subscribe'];
export type System = components['schemas']['System'];
export type SystemData = components['schemas']['SystemData'];
export type SystemState = components['schemas']['SystemState'];
export type TierView = components['schemas']['TierView'];
export type Unsubscribe = components['schemas']['Unsubscribe'];
export type Unsubscribed = components['schemas']['Unsubscribed'];
export type WalletData = components['schemas']['WalletData'];
export type $defs = Record<string, never>;
export type operations = Record<string, never>;
