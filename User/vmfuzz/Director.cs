using System;
using System.Threading;
using NanoVm.User.Suites;

namespace NanoVm.User.Fuzz;

/// <summary>Sets a stream's stage, starts the first actor, waits for those that leave, and clears up.</summary>
internal static unsafe class Director
{
    private const int Nobody = 65534;
    private const int ResourceCore = 4, ResourceLockedMemory = 8;
    private const int LockedPages = 80;

    public static int Play(Stage* stage, byte* folder, bool onlySum)
    {
        for (int i = 0; i < Stage.MostActors; i++)
        {
            stage->Process[i] = 0;
            stage->Turn[i] = 0;
        }
        stage->Next = stage->Leaving = stage->Processes = 0;
        stage->Text.OnlySum = onlySum ? 1 : 0;
        stage->Text.Sum = 0xcbf2_9ce4_8422_2325;

        // The file belongs to root, the rest to nobody: mincore tells owners more.
        if (!MakeFile(folder))
            return 3;
        BecomeNobody();
        MakeMemoryFile();
        int first = MakeSegment(6 * Linux.Page), second = MakeSegment(2 * Linux.Page + 100);
        Actor.DieWithParent();
        Look.Prepare();
        Execute.Prepare(first, second);
        Actor.Prepare(stage);
        Faults.Prepare();
        Arena.Prepare();

        if (Actor.StartProcess(byDirector: true, out _) == 0)
            return 4;
        bool good = Direct(stage);
        for (int i = 1; i < Stage.MostActors; i++)
        {
            if (stage->Process[i] != 0 && stage->IsThread[i] == 0)
                Linux.Kill(stage->Id[i], Signal.Kill);
        }
        while (Linux.Wait(-1, out _) > 0)
        {
        }
        if (onlySum)
        {
            stage->Text.OnlySum = 0;
            stage->Text.Hex(stage->Text.Sum);
            stage->Text.Put('\n');
        }
        stage->Text.Flush();
        return good ? 0 : 5;
    }

    private static bool Direct(Stage* stage)
    {
        int gone = 0, goneStatus = 0;
        Stage.PassOn(stage, Stage.Director);
        while (true)
        {
            if (!Stage.Await(stage, Stage.Director))
            {
                // However slow the machine is: that a stream is stuck is for whoever gives the machine its time to say.
                int dead = Linux.Wait(-1, out int status, 1);
                if (dead <= 0)
                    continue;
                // It may have said in between that it leaves: then all is well, and its status is known already.
                int leaving = Volatile.Read(ref stage->Leaving);
                if (leaving != 0 && stage->Id[leaving] == dead)
                {
                    (gone, goneStatus) = (dead, status);
                    continue;
                }
                stage->Text.Put("\nan actor has died with "u8);
                stage->Text.Number(status);
                stage->Text.Put('\n');
                return false;
            }
            if (stage->Leaving == 0)
                return true;
            Leave(stage, stage->Leaving, gone, goneStatus);
            gone = 0;
            stage->Leaving = 0;
            if (Stage.Living(stage, 0) == Stage.Director)
                return true;
            if (Stage.PassOn(stage, Stage.Director) == Stage.Director)
                return true;
        }
    }

    /// <summary>Waits until an actor has gone, with its memory, and takes it and its process's threads off the stage.</summary>
    /// <param name="gone">Who has been waited for already, with <paramref name="status"/>; 0 for nobody.</param>
    private static void Leave(Stage* stage, int actor, int gone, int status)
    {
        int process = stage->Process[actor];
        if (stage->IsThread[actor] != 0)
        {
            int id;
            while ((id = Volatile.Read(ref stage->Id[actor])) != 0)
                Syscall.Call(202, (nint)(&stage->Id[actor]), 0, id);
            stage->Process[actor] = 0;
            return;
        }
        if (gone != stage->Id[actor])
            Linux.Wait(stage->Id[actor], out status);
        stage->Text.Put("  gone"u8);
        stage->Text.Result(status);
        stage->Text.Put('\n');
        stage->Text.Flush();
        for (int i = 1; i < Stage.MostActors; i++)
        {
            if (stage->Process[i] == process)
                stage->Process[i] = 0;
        }
    }

    private static bool MakeFile(byte* folder)
    {
        // <folder>/vmfuzz.<pid>
        byte* path = stackalloc byte[300];
        int length = 0;
        while (folder[length] != 0 && length < 250)
        {
            path[length] = folder[length];
            length++;
        }
        "/vmfuzz."u8.CopyTo(new Span<byte>(path + length, 8));
        length += 8;
        for (int pid = Linux.GetPid(); pid != 0; pid /= 10)
            path[length++] = (byte)('0' + pid % 10);
        path[length++] = 0;
        var name = new ReadOnlySpan<byte>(path, length);
        int file = Linux.Open(name, 2 | 0x40 | 0x80, 0x180);
        int reading = Linux.Open(name, 0);
        Linux.Unlink(name);
        if (file < 0 || reading < 0)
            return false;
        Fill(file, Execute.FilePages * Linux.Page + 100);
        Place(file, 1);
        Place(reading, 2);
        Place(Linux.Open("/dev/zero"u8, 2), 3);
        Place(Linux.Open("/"u8, 0), 4);
        return true;
    }

    private static void MakeMemoryFile()
    {
        int file;
        fixed (byte* name = "fuzz"u8)
            file = (int)Syscall.Call(319, (nint)name, 2);
        Fill(file, Execute.FilePages * Linux.Page);
        Place(file, 0);
    }

    /// <summary>A System V segment that is attached as long as the director lives, and gone with it.</summary>
    private static int MakeSegment(int bytes)
    {
        int segment = (int)Syscall.Call(29, 0, bytes, 0x3b6);
        Syscall.Call(30, segment, 0, 0);
        Syscall.Call(31, segment, 0, 0);
        return segment;
    }

    /// <summary>Each page holds another letter.</summary>
    private static void Fill(int file, int bytes)
    {
        byte* page = stackalloc byte[Linux.Page];
        for (int at = 0; at < bytes; at += Linux.Page)
        {
            new Span<byte>(page, Linux.Page).Fill((byte)('a' + at / Linux.Page));
            Linux.PositionedWrite(file, page, bytes - at < Linux.Page ? bytes - at : Linux.Page, at);
        }
    }

    private static void Place(int file, int number)
    {
        Linux.Dup2(file, Execute.FirstFile + number);
        Linux.Close(file);
    }

    /// <summary>Limits hold for who has no privileges only.</summary>
    private static void BecomeNobody()
    {
        ulong* pair = stackalloc ulong[2];
        pair[0] = pair[1] = LockedPages * (ulong)Linux.Page;
        Linux.SetResourceLimit(ResourceLockedMemory, pair);
        pair[0] = pair[1] = 0;
        Linux.SetResourceLimit(ResourceCore, pair);
        Syscall.Call(119, Nobody, Nobody, Nobody);
        Syscall.Call(117, Nobody, Nobody, Nobody);
        // Who has changed its user may not look into its own /proc otherwise.
        Syscall.Call(157, 4, 1);
    }
}
