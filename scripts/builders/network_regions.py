"""Which region of the world each country or territory lies in, for markets and correction factors.

Close to the geographic regions of UN M49, cut where fiber routes differ (Russia and the Middle East
stand alone, Central Asia takes the Caucasus and Afghanistan, Bulgaria counts as eastern Europe).
"""

from __future__ import annotations

REGIONS = {
    "northern-america": "US CA GL BM PM",
    "central-america": "MX GT BZ SV HN NI CR PA",
    "caribbean": ("AG AI AW BB BL BQ BS CU CW DM DO GD GP HT JM KN KY LC MF MQ MS PR SX TC TT VC VG VI AN"),
    "south-america": "AR BO BR CL CO EC FK GF GY PE PY SR UY VE GS",
    "northern-europe": "DK EE FI FO GB GG IE IM IS JE LT LV NO SE SJ AX",
    "western-europe": "AT BE CH DE FR LI LU MC NL",
    "southern-europe": "AD AL BA ES GI GR HR IT ME MK MT PT RS SI SM VA XK CY CS",
    "eastern-europe": "BG BY CZ HU MD PL RO SK UA",
    "russia": "RU",
    "middle-east": "AE BH IL IQ IR JO KW LB OM PS QA SA SY TR YE",
    "central-asia": "AM AZ GE KG KZ TJ TM UZ AF",
    "south-asia": "BD BT IN LK MV NP PK IO",
    "southeast-asia": "BN ID KH LA MM MY PH SG TH TL VN",
    "east-asia": "CN HK JP KP KR MN MO TW",
    "oceania": "AU NZ NF CX CC HM",
    "pacific-islands": "AS CK FJ FM GU KI MH MP NC NR NU PF PG PN PW SB TK TO TV UM VU WF WS",
    "northern-africa": "DZ EG EH LY MA SD TN",
    "western-africa": "BF BJ CI CV GH GM GN GW LR ML MR NE NG SH SL SN TG",
    "middle-africa": "AO CD CF CG CM GA GQ ST TD",
    "eastern-africa": "BI DJ ER ET KE KM MG MU MW MZ RE RW SC SO SS TZ UG YT ZM ZW TF",
    "southern-africa": "BW LS NA SZ ZA",
    "antarctica": "AQ BV",
}

REGION_OF = {code: name for name, codes in REGIONS.items() for code in codes.split()}
