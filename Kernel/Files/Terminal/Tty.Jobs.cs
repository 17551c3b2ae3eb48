using NanoVm.Core;

namespace NanoVm.Files.Terminal;

internal abstract partial class Tty
{
    private const int SigHup = 1;
    private const int SigCont = 18;
    private const int SigTtin = 21;
    private const int SigTtou = 22;
    private const int SigWinch = 28;

    /// <summary>May the current process use its controlling terminal now? Linux: <c>__tty_check_change</c>.</summary>
    /// <param name="signal">SIGTTIN for reads, SIGTTOU for writes and changes: sent to a background group, which stops.</param>
    /// <returns>EIO when stopping would be for ever or the reader does not want to know; ERESTARTSYS: the signal is on its way.</returns>
    private Errno CheckForeground(int signal)
    {
        JobControl jobs = Io.Jobs;
        if (!ReferenceEquals(jobs.CurrentTerminal, this))
            return Errno.None;
        int group = jobs.CurrentProcessGroup;
        if (ForegroundGroup == 0 || ForegroundGroup == group)
            return Errno.None;
        if (jobs.IsIgnoredOrBlocked(signal))
            return signal == SigTtin ? Errno.EIO : Errno.None;
        if (jobs.IsCurrentGroupOrphaned)
            return Errno.EIO;
        jobs.SignalProcessGroup(group, signal);
        return Errno.ERESTARTSYS;
    }

    /// <summary>An open without O_NOCTTY by a session leader that has no terminal makes this one its own. Linux: <c>tty_open_proc_set_tty</c>.</summary>
    internal void BecomeControllingIfWanted(TtyFile file)
    {
        JobControl jobs = Io.Jobs;
        if (jobs.CurrentIsSessionLeader && jobs.CurrentTerminal is null && Session == 0 && file.CanRead)
            BecomeControlling();
    }

    // Linux: __proc_set_tty.
    private void BecomeControlling()
    {
        Session = Io.Jobs.CurrentSession;
        ForegroundGroup = Io.Jobs.CurrentProcessGroup;
        Io.Jobs.CurrentTerminal = this;
    }

    // Linux: tiocsctty.
    private Errno SetControlling(TtyFile file, int steal)
    {
        JobControl jobs = Io.Jobs;
        TaskFiles who = TaskFiles.CurrentFiles;
        if (jobs.CurrentIsSessionLeader && jobs.CurrentSession == Session)
            return Errno.None;
        if (!jobs.CurrentIsSessionLeader || jobs.CurrentTerminal is not null)
            return Errno.EPERM;
        if (Session != 0)
        {
            if (steal != 1 || !who.Credentials.Has(Capability.SysAdmin))
                return Errno.EPERM;
            jobs.ClearSessionTerminal(Session);
        }
        if (!file.CanRead && !who.Credentials.Has(Capability.SysAdmin))
            return Errno.EPERM;
        BecomeControlling();
        return Errno.None;
    }

    // Linux: tiocspgrp. The checks of the group come after that of the background.
    private Errno SetForegroundGroup(bool throughMaster, int group)
    {
        JobControl jobs = Io.Jobs;
        if (!throughMaster)
        {
            Errno error = CheckForeground(SigTtou);
            if (error == Errno.EIO)
                return Errno.ENOTTY;
            if (error != Errno.None)
                return error;
        }
        if (!ReferenceEquals(jobs.CurrentTerminal, this) || Session != jobs.CurrentSession)
            return Errno.ENOTTY;
        if (group < 0)
            return Errno.EINVAL;
        int session = jobs.SessionOfGroup(group);
        if (session == 0)
            return Errno.ESRCH;
        if (session != jobs.CurrentSession)
            return Errno.EPERM;
        ForegroundGroup = group;
        return Errno.None;
    }

    /// <summary>The current process gives its controlling terminal up. Linux: <c>disassociate_ctty</c>.</summary>
    /// <param name="exiting">
    /// True when a session leader exits: the terminal hangs up, or for a pseudo terminal its foreground processes are told. False: TIOCNOTTY.
    /// </param>
    /// <remarks>Called by the exit path for session leaders, whether they have a terminal or not.</remarks>
    public static void Disassociate(JobControl jobs, bool exiting)
    {
        Tty? tty = jobs.CurrentTerminal;
        if (tty is null)
            return;
        if (!jobs.CurrentIsSessionLeader)
        {
            jobs.CurrentTerminal = null;
            return;
        }
        if (exiting && !tty.IsPseudo)
        {
            tty.HangUpSession();
        }
        else if (tty.ForegroundGroup != 0)
        {
            jobs.SignalProcessGroup(tty.ForegroundGroup, SigHup);
            if (!exiting)
                jobs.SignalProcessGroup(tty.ForegroundGroup, SigCont);
        }
        tty.Session = 0;
        tty.ForegroundGroup = 0;
        jobs.ClearSessionTerminal(jobs.CurrentSession);
        jobs.CurrentTerminal = null;
    }

    // The leader of the session is gone: who still has the terminal open finds it dead, except through /dev/console.
    // Linux: tty_vhangup_session.
    private void HangUpSession()
    {
        for (TtyFile? file = _files; file is not null; file = file.NextOfTerminal)
        {
            if (!file.IsConsole)
                file.IsHungUp = true;
        }
        if (ForegroundGroup != 0)
            Io.Jobs.SignalProcessGroup(ForegroundGroup, SigHup);
        using (_lock.Acquire())
        {
            FlushInput();
            SetStopped(false);
            _termios = Termios.Standard(_termios.Control);
        }
        Readers.WakeAll();
        Writers.WakeAll();
    }

    /// <summary>The line or the master is gone. Linux: <c>tty_vhangup</c>.</summary>
    public void HangUp()
    {
        for (TtyFile? file = _files; file is not null; file = file.NextOfTerminal)
            file.IsHungUp = true;
        if (Session != 0)
        {
            Io.Jobs.SignalSessionLeader(Session, SigHup);
            Io.Jobs.SignalSessionLeader(Session, SigCont);
            if (ForegroundGroup != 0)
                Io.Jobs.SignalProcessGroup(ForegroundGroup, SigHup);
            Io.Jobs.ClearSessionTerminal(Session);
        }
        Session = 0;
        ForegroundGroup = 0;
        Readers.WakeAll();
        Writers.WakeAll();
    }

    /// <summary>A file of this terminal was opened. Linux: <c>tty_add_file</c>.</summary>
    internal void AddFile(TtyFile file)
    {
        file.NextOfTerminal = _files;
        _files = file;
        OpenCount++;
    }

    /// <summary>A file was closed; the last one tells the driver.</summary>
    internal void RemoveFile(TtyFile file)
    {
        ref TtyFile? link = ref _files;
        while (!ReferenceEquals(link, file))
            link = ref link!.NextOfTerminal;
        link = file.NextOfTerminal;
        OpenCount--;
        if (OpenCount == 0)
        {
            _exclusive = false;
            DriverLastClose();
        }
    }

    /// <summary>The other side of a pseudo terminal has been closed, or opened again.</summary>
    protected void SetOtherClosed(bool closed)
    {
        _otherClosed = closed;
        Readers.WakeAll();
        Writers.WakeAll();
    }

    /// <summary>TIOCEXCL is set: only those with CAP_SYS_ADMIN may open it once more.</summary>
    internal bool IsExclusive => _exclusive;
}
