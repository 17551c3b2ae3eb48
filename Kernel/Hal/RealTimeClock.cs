using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>The battery-backed clock in the CMOS chip, which QEMU keeps in UTC.</summary>
internal static class RealTimeClock
{
    private const ushort IndexPort = 0x70;
    private const ushort DataPort = 0x71;
    private const byte NmiDisabled = 0x80;
    private const byte StatusA = 0x0a;
    private const byte StatusB = 0x0b;
    private const byte UpdateInProgress = 0x80;
    private const byte Binary = 0x04;
    private const byte Hours24 = 0x02;

    /// <summary>Seconds since 1970-01-01 UTC.</summary>
    public static ulong ReadSeconds()
    {
        Reading reading = ReadOnce();
        for (int tries = 0; tries < 10; tries++)
        {
            Reading again = ReadOnce();                      // twice the same: no update came in between
            if (again.Equal(reading))
                break;
            reading = again;
        }

        byte status = Read(StatusB);
        if ((status & Binary) == 0)
            reading.FromBcd();
        if ((status & Hours24) == 0)
            reading.Hour = reading.Hour % 12 + ((reading.RawHour & 0x80) != 0 ? 12 : 0);
        int year = 2000 + reading.Year;
        return (ulong)DaysFromCivil(year, reading.Month, reading.Day) * 86400
            + (ulong)(reading.Hour * 3600 + reading.Minute * 60 + reading.Second);
    }

    /// <summary>Days from 1970-01-01 to a date of the Gregorian calendar.</summary>
    public static long DaysFromCivil(int year, int month, int day)
    {
        // Years that begin in March, so that the leap day is the last one.
        long y = month <= 2 ? year - 1 : year;
        long era = y / 400;
        long yearOfEra = y - era * 400;
        long dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
        long dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear;
        return era * 146097 + dayOfEra - 719468;
    }

    private static Reading ReadOnce()
    {
        for (int tries = 0; tries < 100_000 && (Read(StatusA) & UpdateInProgress) != 0; tries++)
            Interrupts.Pause();
        Reading reading;
        reading.Second = Read(0);
        reading.Minute = Read(2);
        reading.RawHour = Read(4);
        reading.Hour = reading.RawHour & 0x7f;
        reading.Day = Read(7);
        reading.Month = Read(8);
        reading.Year = Read(9);
        return reading;
    }

    private static byte Read(byte register)
    {
        Cpu.Out8(IndexPort, (byte)(register | NmiDisabled));
        byte value = Cpu.In8(DataPort);
        Cpu.Out8(IndexPort, 0);
        return value;
    }

    private struct Reading
    {
        public int Second, Minute, Hour, RawHour, Day, Month, Year;

        public readonly bool Equal(in Reading other) => Second == other.Second && Minute == other.Minute
            && RawHour == other.RawHour && Day == other.Day && Month == other.Month && Year == other.Year;

        public void FromBcd()
        {
            Second = FromBcd(Second);
            Minute = FromBcd(Minute);
            Hour = FromBcd(Hour);
            Day = FromBcd(Day);
            Month = FromBcd(Month);
            Year = FromBcd(Year);
        }

        private static int FromBcd(int value) => (value >> 4) * 10 + (value & 15);
    }
}
