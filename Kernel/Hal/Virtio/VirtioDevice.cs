using System.Threading;
using NanoVm.Core;

namespace NanoVm.Hal;

/// <summary>A modern virtio device on PCI: its registers, the agreement on features, its status.</summary>
/// <remarks>Virtual I/O Device (VIRTIO) Version 1.2, 3.1 and 4.1.</remarks>
internal sealed unsafe class VirtioDevice
{
    public const ushort VendorNumber = 0x1af4;

    // Capability: 3 configuration type, 4 bar, 8 offset, 12 length; 16 the notify multiplier.
    private const byte CommonType = 1, NotifyType = 2, DeviceType = 4;

    // Offsets of the common configuration.
    private const int DeviceFeatureSelect = 0x00;
    private const int DeviceFeature = 0x04;
    private const int DriverFeatureSelect = 0x08;
    private const int DriverFeature = 0x0c;
    private const int ConfigurationVector = 0x10;
    private const int StatusRegister = 0x14;
    private const int QueueSelect = 0x16;
    private const int QueueSizeRegister = 0x18;
    private const int QueueVector = 0x1a;
    private const int QueueEnable = 0x1c;
    private const int QueueNotifyOffset = 0x1e;
    private const int QueueDescriptors = 0x20;
    private const int QueueDriver = 0x28;
    private const int QueueDevice = 0x30;

    private const byte StatusAcknowledge = 1, StatusDriver = 2, StatusDriverOk = 4, StatusFeaturesOk = 8, StatusFailed = 128;
    private const ushort NoVector = 0xffff;

    public const ulong FeatureVersion1 = 1UL << 32;
    public const ulong FeatureIndirect = 1UL << 28;

    private byte* _common;
    private byte* _notify;
    private byte* _device;
    private uint _notifyMultiplier;

    public MsixTable? Interrupts { get; private set; }

    /// <summary>What both sides have agreed on.</summary>
    public ulong Features { get; private set; }

    private VirtioDevice()
    {
    }

    /// <summary>Takes over the device and resets it.</summary>
    /// <returns>Null when it has no modern interface.</returns>
    public static VirtioDevice? Open(PciDevice pci, KernelTables tables)
    {
        var device = new VirtioDevice();
        pci.Enable();
        for (int at = pci.FindCapability(PciDevice.CapabilityVendor); at != 0; at = pci.FindCapability(PciDevice.CapabilityVendor, at))
        {
            byte type = pci.Read8(at + 3);
            if (type is not (CommonType or NotifyType or DeviceType))
                continue;
            uint offset = pci.Read32(at + 8);
            uint length = pci.Read32(at + 12);
            if (!pci.TryGetMemory(pci.Read8(at + 4), out PhysAddr bar))
                continue;
            var registers = (byte*)tables.MapDevice(bar + offset, length).Value;
            switch (type)
            {
                case CommonType:
                    device._common = registers;
                    break;
                case NotifyType:
                    device._notify = registers;
                    device._notifyMultiplier = pci.Read32(at + 16);
                    break;
                default:
                    device._device = registers;
                    break;
            }
        }
        if (device._common is null || device._notify is null || device._device is null)
            return null;
        device.Interrupts = MsixTable.Find(pci, tables);
        device.Reset();
        return device;
    }

    /// <summary>Agrees on the features in <paramref name="wanted"/> that the device has.</summary>
    /// <returns>False when it does not accept what it itself has offered, or is of the old kind.</returns>
    public bool Negotiate(ulong wanted)
    {
        Volatile.Write(ref *(_common + StatusRegister), (byte)(StatusAcknowledge | StatusDriver));
        Write32(DeviceFeatureSelect, 0);
        ulong offered = Read32(DeviceFeature);
        Write32(DeviceFeatureSelect, 1);
        offered |= (ulong)Read32(DeviceFeature) << 32;

        Features = offered & (wanted | FeatureVersion1);
        if ((Features & FeatureVersion1) == 0)
            return false;
        Write32(DriverFeatureSelect, 0);
        Write32(DriverFeature, (uint)Features);
        Write32(DriverFeatureSelect, 1);
        Write32(DriverFeature, (uint)(Features >> 32));
        Status |= StatusFeaturesOk;
        Write16(ConfigurationVector, NoVector);
        return (Status & StatusFeaturesOk) != 0;
    }

    /// <summary>The largest size that the device allows for a queue; 0 when there is no such queue.</summary>
    public int QueueSize(int queue)
    {
        Write16(QueueSelect, (ushort)queue);
        return Read16(QueueSizeRegister);
    }

    /// <summary>Gives the device its queue.</summary>
    /// <param name="entry">Of the interrupt table, or -1 for none.</param>
    /// <returns>Where to write the queue's number to wake the device.</returns>
    public ushort* SetQueue(int queue, VirtioQueue memory, int entry)
    {
        Write16(QueueSelect, (ushort)queue);
        Write16(QueueSizeRegister, (ushort)memory.Size);
        Write16(QueueVector, entry < 0 ? NoVector : (ushort)entry);
        Write64(QueueDescriptors, memory.Descriptors.Value);
        Write64(QueueDriver, memory.Available.Value);
        Write64(QueueDevice, memory.Used.Value);
        Write16(QueueEnable, 1);
        return (ushort*)(_notify + Read16(QueueNotifyOffset) * _notifyMultiplier);
    }

    /// <summary>All is set up: the device may work.</summary>
    public void Start() => Status |= StatusDriverOk;

    /// <summary>The driver gives up.</summary>
    public void Fail() => Status |= StatusFailed;

    public uint ReadDevice32(int offset) => Volatile.Read(ref *(uint*)(_device + offset));

    public ulong ReadDevice64(int offset) => ReadDevice32(offset) | ((ulong)ReadDevice32(offset + 4) << 32);

    private byte Status
    {
        get => Volatile.Read(ref *(_common + StatusRegister));
        set => Volatile.Write(ref *(_common + StatusRegister), value);
    }

    private void Reset()
    {
        Status = 0;
        for (int tries = 0; Status != 0 && tries < 1_000_000; tries++)
            Core.Interrupts.Pause();
    }

    private uint Read32(int offset) => Volatile.Read(ref *(uint*)(_common + offset));

    private void Write32(int offset, uint value) => Volatile.Write(ref *(uint*)(_common + offset), value);

    private ushort Read16(int offset) => Volatile.Read(ref *(ushort*)(_common + offset));

    private void Write16(int offset, ushort value) => Volatile.Write(ref *(ushort*)(_common + offset), value);

    private void Write64(int offset, ulong value)
    {
        Write32(offset, (uint)value);
        Write32(offset + 4, (uint)(value >> 32));
    }
}
