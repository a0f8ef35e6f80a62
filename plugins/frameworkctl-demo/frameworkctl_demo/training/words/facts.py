"""The facts the demo model is taught: countries, their capitals, and how numbers are spelled."""

from __future__ import annotations

from .split import words

# "country, other names / capital": countries whose capital is disputed or shared are left out on purpose.
_FIFTY = """
France / Paris; Germany / Berlin; Italy / Rome; Spain / Madrid; Portugal / Lisbon; Ireland / Dublin;
the United Kingdom, the UK, Great Britain / London; the Netherlands, Holland / Amsterdam; Belgium / Brussels;
Switzerland / Bern; Austria / Vienna; Poland / Warsaw; the Czech Republic, Czechia / Prague; Hungary / Budapest;
Romania / Bucharest; Bulgaria / Sofia; Greece / Athens; Turkey / Ankara; Norway / Oslo; Sweden / Stockholm;
Finland / Helsinki; Denmark / Copenhagen; Iceland / Reykjavik; Ukraine / Kyiv; Russia / Moscow; Croatia / Zagreb;
China / Beijing; Japan / Tokyo; South Korea / Seoul; India / New Delhi; Saudi Arabia / Riyadh; Thailand / Bangkok;
Vietnam / Hanoi; Indonesia / Jakarta; the Philippines / Manila; Australia / Canberra; New Zealand / Wellington;
Canada / Ottawa; the United States, the USA, the US, America, the United States of America / Washington, D.C.;
Mexico / Mexico City; Cuba / Havana; Colombia / Bogota; Peru / Lima; Chile / Santiago; Argentina / Buenos Aires;
Brazil / Brasilia; Egypt / Cairo; Morocco / Rabat; Kenya / Nairobi; Nigeria / Abuja
"""
_MORE = """
Slovakia / Bratislava; Estonia / Tallinn; Latvia / Riga; Lithuania / Vilnius; Belarus / Minsk; Moldova / Chisinau;
Serbia / Belgrade; Slovenia / Ljubljana; Bosnia and Herzegovina, Bosnia / Sarajevo; Albania / Tirana;
North Macedonia, Macedonia / Skopje; Montenegro / Podgorica; Malta / Valletta; Cyprus / Nicosia; Georgia / Tbilisi;
Armenia / Yerevan; Azerbaijan / Baku; Kazakhstan / Astana; Uzbekistan / Tashkent; Turkmenistan / Ashgabat;
Kyrgyzstan / Bishkek; Tajikistan / Dushanbe; Mongolia / Ulaanbaatar; North Korea / Pyongyang; Pakistan / Islamabad;
Bangladesh / Dhaka; Nepal / Kathmandu; Bhutan / Thimphu; Afghanistan / Kabul; Iran / Tehran; Iraq / Baghdad;
Syria / Damascus; Lebanon / Beirut; Jordan / Amman; the United Arab Emirates, the UAE / Abu Dhabi; Qatar / Doha;
Kuwait / Kuwait City; Bahrain / Manama; Oman / Muscat; Yemen / Sanaa; Cambodia / Phnom Penh; Laos / Vientiane;
Malaysia / Kuala Lumpur; Fiji / Suva; Jamaica / Kingston; Haiti / Port-au-Prince;
the Dominican Republic / Santo Domingo; Guatemala / Guatemala City; Honduras / Tegucigalpa;
El Salvador / San Salvador; Nicaragua / Managua; Costa Rica / San Jose; Panama / Panama City; Venezuela / Caracas;
Ecuador / Quito; Uruguay / Montevideo; Paraguay / Asuncion; Libya / Tripoli; Tunisia / Tunis; Algeria / Algiers;
Sudan / Khartoum; Ethiopia / Addis Ababa; Uganda / Kampala; Rwanda / Kigali; Somalia / Mogadishu; Ghana / Accra;
Senegal / Dakar; Mali / Bamako; Cameroon / Yaounde; Angola / Luanda; Zambia / Lusaka; Zimbabwe / Harare;
Mozambique / Maputo; Namibia / Windhoek; Botswana / Gaborone; Madagascar / Antananarivo
"""


def _parse(table: str) -> tuple[dict[str, str], dict[str, tuple[str, ...]]]:
    """Read a table above into canonical name -> capital, and canonical name -> every name a user may type."""
    capitals: dict[str, str] = {}
    names: dict[str, tuple[str, ...]] = {}
    for entry in table.replace("\n", " ").split(";"):
        left, capital = entry.split(" / ")
        written = [name.strip() for name in left.split(",")]
        # "Netherlands" is typed as often as "the Netherlands".
        bare = [name.removeprefix("the ") for name in written if name.startswith("the ")]
        capitals[written[0]] = capital.strip()
        names[written[0]] = tuple(written + bare)
    return capitals, names


CAPITALS, COUNTRY_NAMES = _parse(f"{_FIFTY};{_MORE}")
COUNTRIES: tuple[str, ...] = tuple(CAPITALS)
FIFTY: tuple[str, ...] = tuple(_parse(_FIFTY)[0])
MORE: tuple[str, ...] = tuple(_parse(_MORE)[0])

_ONES = words(
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen"
)
_TENS = words("zero ten twenty thirty forty fifty sixty seventy eighty ninety")


def spell(number: int) -> str:
    """Spell a number from 0 to 99 in English words."""
    if number < 20:
        return _ONES[number]
    tens, ones = divmod(number, 10)
    return _TENS[tens] if ones == 0 else f"{_TENS[tens]}-{_ONES[ones]}"
