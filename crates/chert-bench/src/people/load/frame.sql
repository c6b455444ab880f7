-- What the other scripts are written with: sizes (one row, filled by the loader), accounts, numbers
-- that look random and are the same in every run, and words. All of it goes when the load is done.
CREATE SCHEMA bench;

CREATE TABLE bench.size (
    now_s        BIGINT NOT NULL,
    tip          BIGINT NOT NULL,
    identities   BIGINT NOT NULL,
    contributors BIGINT NOT NULL,
    submissions  BIGINT NOT NULL,
    votes        BIGINT NOT NULL,
    proposals    BIGINT NOT NULL,
    first_n      BIGINT NOT NULL DEFAULT 1, -- submissions made at once
    last_n       BIGINT NOT NULL DEFAULT 0
);

-- From 0 up to 1, by two numbers.
CREATE FUNCTION bench.u(n BIGINT, salt BIGINT) RETURNS FLOAT8
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE AS $$
    SELECT (hashint8extended(n, salt) & 9007199254740991)::float8 / 9007199254740992
$$;

-- Identity n holds account n; the first ones contribute.
CREATE TABLE bench.accounts (
    n       BIGINT NOT NULL,
    address TEXT NOT NULL,
    key     UUID NOT NULL
);

CREATE TABLE bench.words (
    first  TEXT[] NOT NULL,
    second TEXT[] NOT NULL
);
INSERT INTO bench.words VALUES (
    '{Amber,Ancient,Azure,Bold,Brave,Bright,Calm,Clever,Copper,Crimson,Daring,Deep,Eager,Électric,Fierce,Flint,
      Frosty,Gentle,Golden,Granite,Größte,Happy,Hidden,Hollow,Iron,Ivory,Jade,Kleine,Łagodny,Lively,Lunar,Mellow,
      Mighty,Misty,Mountain,Müde,Nimble,Noble,Obsidian,Old,Opal,Patient,Polar,Proud,Quick,Quiet,Rapid,Río,Rusty,
      Sable,Scarlet,Señor,Silent,Silver,Solar,Steady,Stone,Swift,Tiny,Velvet,Vivid,Wild,Young,Žlutý}',
    '{Anchor,Badger,Basalt,Beaver,Boulder,Café,Canyon,Cipher,Comet,Condor,Crystal,Dolphin,Dragon,Eagle,Échelon,
      Ember,Falcon,Ferret,Fjörd,Forge,Fox,Galaxy,Gecko,Glacier,Harbor,Hawk,Hexagon,Island,Jaguar,Kernel,Kestrel,
      Lantern,Lattice,Lynx,Meteor,Miner,Nebula,Nucleus,Orbit,Otter,Panther,Pebble,Piñata,Prism,Proton,Quarry,
      Quartz,Quasar,Raven,Reactor,River,Shale,Signal,Sparrow,Summit,Théorem,Turbine,Ünicorn,Vector,Vertex,Walrus,
      Wolf,Zenith,Zephyr}'
);
