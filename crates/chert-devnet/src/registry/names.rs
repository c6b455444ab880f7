//! What people call themselves and their wallets, in every way a registry has to carry through.

/// Display names. Some need trimming, one has exactly 64 characters.
pub(crate) const NAMES: [&str; 24] = [
    "quarry-42",
    "Zoë Brontë",
    "José Ñandú",
    "  Ada Lovelace  ",
    "Łukasz Żółć",
    "Ørsted & Ångström",
    "مُعْتَزّ الخوارزمي",
    "שלום עולם",
    "🦀 Ferris",
    "👩‍🚀🌍 Crew",
    "東京マイナー",
    "Ключевая Вода",
    "e\u{301}cole cafe\u{301}",
    "ＦＵＬＬ ｗｉｄｔｈ",
    "Straße ẞ",
    "İstanbul ısı",
    "O'Brien; -- \"quoted\"",
    "100%_like\\pattern",
    "<b>bold</b>",
    "\u{202e}drow\u{202c} left",
    "zero\u{200b}width",
    "Ξ",
    "ΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩΩ",
    "folding since 2025",
];

/// Texts about oneself.
pub(crate) const BIOS: [&str; 6] = [
    "Folding since 2025",
    "Ein Rechner, ein Keller, viel Abwärme.\nZweite Zeile.",
    "أحسب البروتينات ليلاً",
    "🦀🦀🦀",
    "",
    "I run \"three\" rigs & a laptop <3",
];

/// Types of links: those of the contract, the alias of the first, and names of one's own.
pub(crate) const LINK_TYPES: [&str; 9] = [
    "main",
    "primary",
    "mining",
    "staking",
    "trading",
    "governance",
    "mining",
    "cold-storage",
    "grandma_s_wallet",
];
